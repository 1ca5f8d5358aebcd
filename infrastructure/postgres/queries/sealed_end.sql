-- How many events are sealed, and where in the log the last one of them is.
SELECT
    (SELECT coalesce(max(leaf_number) + 1, 0) FROM leaves) AS size,
    coalesce(xid::text::bigint, 0) AS xid,
    coalesce(position, 0) AS position
FROM (VALUES (true)) AS always
LEFT JOIN (
    SELECT xid, position
    FROM leaves
    JOIN events USING (task_id, version)
    ORDER BY leaf_number DESC
    LIMIT 1
) AS last ON true
