-- Counts the ends of tasks among the next events of the whole log; see read_log.sql. Of two that
-- count the same events the second one changes nothing. Tells how many events were looked at.
WITH so_far AS MATERIALIZED (
    SELECT xid, position
    FROM task_totals
),
next AS MATERIALIZED (
    SELECT type, xid, position
    FROM events
    WHERE (xid, position) > ((SELECT xid FROM so_far), (SELECT position FROM so_far))
        AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY events.xid, events.position
    LIMIT $1
),
counted AS (
    SELECT
        count(*) AS events,
        count(*) FILTER (WHERE type = 'TaskCompleted') AS completed,
        count(*) FILTER (WHERE type = 'TaskFailed') AS failed,
        count(*) FILTER (WHERE type = 'TaskCancelled') AS cancelled
    FROM next
),
last AS (
    SELECT xid, position
    FROM next
    ORDER BY next.xid DESC, next.position DESC
    LIMIT 1
)
UPDATE task_totals
SET xid       = last.xid,
    position  = last.position,
    completed = task_totals.completed + counted.completed,
    failed    = task_totals.failed + counted.failed,
    cancelled = task_totals.cancelled + counted.cancelled
FROM so_far, counted, last
WHERE task_totals.xid = so_far.xid AND task_totals.position = so_far.position
RETURNING counted.events
