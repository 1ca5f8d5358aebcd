-- The heads of a range of tasks, as the projection has them.
SELECT task_id, version, head_hash, head_recorded_at
FROM tasks
WHERE task_id > $1
    AND task_id <= $2
