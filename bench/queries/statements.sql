-- What every statement has cost the server, the most expensive first.
SELECT
    total_exec_time,
    calls::float8,
    mean_exec_time,
    rows::float8 / calls,
    shared_blks_hit::float8 / calls,
    shared_blks_read::float8 / calls,
    wal_bytes::float8 / calls,
    query
FROM pg_stat_statements
ORDER BY total_exec_time DESC
LIMIT 40
