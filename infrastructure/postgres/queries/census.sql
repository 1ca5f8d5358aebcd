-- How many tasks wait, run and have ended, for how long the oldest unclaimed one has waited, and how
-- far behind the end of the log its readers are; see read_log.sql. Of those that wait at most $1 are
-- looked at. A task that is held waits from its earliest start on. Ages in seconds.
WITH counted AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE NOT held) AS waiting,
        count(*) FILTER (WHERE held) AS held,
        min(greatest(waiting_since, not_before)) FILTER (WHERE NOT held) AS oldest
    FROM (
        SELECT waiting_since, not_before, held
        FROM outbox
        WHERE dispatch_number IS NULL
        LIMIT $1
    ) AS looked_at
)
SELECT
    (SELECT waiting FROM counted) AS waiting,
    (SELECT held FROM counted) AS held,
    (SELECT count(*) FROM outbox WHERE dispatch_number IS NOT NULL) AS dispatched,
    (SELECT count(*) FROM leases) AS processing,
    completed,
    failed,
    cancelled,
    coalesce(extract(epoch FROM clock_timestamp() - least(
        (SELECT oldest FROM counted),
        (
            SELECT min(greatest(waiting_since, not_before))
            FROM outbox
            WHERE dispatch_number IS NOT NULL
        )
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
