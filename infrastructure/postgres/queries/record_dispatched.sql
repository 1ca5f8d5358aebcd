-- Numbers rows whose messages were confirmed, in the order in which they are given: that of the queue,
-- so that a number that is left behind is one whose message is lost. Rows that a claim is just
-- deleting are skipped, so that this never waits for a claim and the two never wait for each other.
WITH confirmed AS MATERIALIZED (
    SELECT outbox.task_id, place
    FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS given (task_id, row_id, place)
    JOIN outbox ON outbox.task_id = given.task_id AND outbox.row_id = given.row_id
    WHERE dispatch_number IS NULL
    FOR UPDATE OF outbox SKIP LOCKED
),
numbered AS MATERIALIZED (
    SELECT task_id, nextval('dispatch_numbers') AS number
    FROM (SELECT task_id FROM confirmed ORDER BY place) AS in_order
)
UPDATE outbox
SET dispatch_number = number
FROM numbered
WHERE outbox.task_id = numbered.task_id
