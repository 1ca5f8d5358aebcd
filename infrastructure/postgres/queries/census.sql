-- How many tasks wait, run and have ended, for how long the oldest unclaimed one has waited, and how
-- far behind the end of the log its readers are; see read_log.sql. Of those that wait at most $1 are
-- counted. Ages in seconds.
SELECT
    (SELECT count(*) FROM (SELECT FROM outbox WHERE dispatch_number IS NULL LIMIT $1) AS counted)
        AS waiting,
    (SELECT count(*) FROM outbox WHERE dispatch_number IS NOT NULL) AS dispatched,
    (SELECT count(*) FROM leases) AS processing,
    completed,
    failed,
    cancelled,
    coalesce(extract(epoch FROM clock_timestamp() - least(
        (SELECT waiting_since FROM outbox WHERE dispatch_number IS NULL ORDER BY row_id LIMIT 1),
        (SELECT min(waiting_since) FROM outbox WHERE dispatch_number IS NOT NULL)
    )), 0)::double precision AS oldest_seconds,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_open,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_transaction,
    coalesce(extract(epoch FROM clock_timestamp() - (
        SELECT recorded_at
        FROM events
        WHERE events.xid >= pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY events.xid, events.position
        LIMIT 1
    )), 0)::double precision AS hidden_seconds
FROM task_totals
