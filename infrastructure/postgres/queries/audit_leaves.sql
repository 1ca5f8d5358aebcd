-- The leaves of a range of tasks.
SELECT
    task_id, version, leaf_number,
    CASE
        WHEN octet_length(event_hash) = 32 THEN event_hash
        ELSE decode(repeat('00', 32), 'hex')
    END AS event_hash
FROM leaves
WHERE task_id >= $1
    AND task_id <= $2
