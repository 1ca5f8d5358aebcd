-- What this database has committed, written ahead and stored so far, and the size of its events.
SELECT
    (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())::float8,
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8,
    pg_database_size(current_database())::float8,
    (SELECT coalesce(sum(pg_column_size(events.*)), 0) FROM events)::float8
