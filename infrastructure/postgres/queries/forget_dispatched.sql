-- Makes dispatched rows wait again: those with the given numbers, or all where none are given.
WITH lost AS (
    SELECT task_id, dispatch_number
    FROM outbox
    WHERE dispatch_number IS NOT NULL
        AND ($1::bigint[] IS NULL OR dispatch_number = ANY ($1::bigint[]))
    ORDER BY row_id
    FOR UPDATE SKIP LOCKED
),
given_up AS (
    INSERT INTO withdrawn (dispatch_number)
    SELECT dispatch_number
    FROM lost
    ON CONFLICT DO NOTHING
)
UPDATE outbox
SET dispatch_number = NULL
FROM lost
WHERE outbox.task_id = lost.task_id
