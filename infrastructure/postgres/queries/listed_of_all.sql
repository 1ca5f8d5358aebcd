-- Everybody's tasks between two places, newest first.
SELECT *
FROM tasks
WHERE (submitted_at, task_id) < ($1, $2)
    AND submitted_at < $3
    AND submitted_at >= $4
ORDER BY submitted_at DESC, task_id DESC
LIMIT $5
