-- Extends one worker's leases in one statement and returns those it still holds. A lease that is
-- just being released is skipped, so that this never waits for an append.
WITH held AS (
    SELECT task_id
    FROM leases
    WHERE task_id = ANY ($2::uuid[])
        AND worker_id = $1
),
free AS (
    SELECT task_id
    FROM leases
    WHERE task_id IN (SELECT task_id FROM held)
    ORDER BY task_id
    FOR UPDATE SKIP LOCKED
),
renewed AS (
    UPDATE leases
    SET expires_at = clock_timestamp() + make_interval(secs => $3)
    FROM free
    WHERE leases.task_id = free.task_id
)
SELECT task_id
FROM held
