-- Numbers rows whose messages were confirmed. Rows that a claim is just deleting are skipped, so
-- that this never waits for a claim and the two never wait for each other.
WITH confirmed AS (
    SELECT task_id
    FROM outbox
    WHERE row_id = ANY ($1::bigint[])
        AND dispatch_number IS NULL
    ORDER BY row_id
    FOR UPDATE SKIP LOCKED
)
UPDATE outbox
SET dispatch_number = nextval('dispatch_numbers')
FROM confirmed
WHERE outbox.task_id = confirmed.task_id
