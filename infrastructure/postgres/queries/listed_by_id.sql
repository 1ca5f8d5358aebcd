-- Some tasks, as far as they lie between two places.
SELECT *
FROM tasks
WHERE task_id = ANY ($13::uuid[])
    AND (submitted_at, task_id) < ($1, $2)
    AND submitted_at < $3
    AND submitted_at >= $4
LIMIT $5
