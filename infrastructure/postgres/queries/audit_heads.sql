-- The heads of a range of tasks, as the projection has them.
SELECT
    task_id, version,
    CASE
        WHEN octet_length(head_hash) = 32 THEN head_hash
        ELSE decode(repeat('00', 32), 'hex')
    END AS head_hash
FROM tasks
WHERE task_id >= $1
    AND task_id <= $2
