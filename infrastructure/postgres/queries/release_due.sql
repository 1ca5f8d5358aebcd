-- Lets held rows be chosen whose time has come, a bounded number at a time, and tells in how many
-- seconds the next one is due. Rows that are just being deleted are skipped.
WITH due AS (
    SELECT task_id
    FROM outbox
    WHERE held
        AND not_before <= clock_timestamp()
    ORDER BY not_before
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
),
released AS (
    UPDATE outbox
    SET held = false
    FROM due
    WHERE outbox.task_id = due.task_id
    RETURNING outbox.task_id
)
SELECT
    (SELECT count(*) FROM released) AS count,
    extract(epoch FROM min(not_before) - clock_timestamp())::double precision AS next_seconds
FROM outbox
WHERE held
    AND task_id NOT IN (SELECT task_id FROM released)
