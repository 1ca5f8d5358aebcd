-- Removes rows from the outbox that are not what they should be.
WITH removed AS (
    DELETE FROM outbox
    WHERE task_id = ANY ($1::uuid[])
    RETURNING dispatch_number
)
INSERT INTO withdrawn (dispatch_number)
SELECT dispatch_number
FROM removed
WHERE dispatch_number IS NOT NULL
ON CONFLICT DO NOTHING
