-- Ids of tasks that were submitted under one correlation id, up to so many.
SELECT task_id
FROM tasks
WHERE correlation_id = $1
LIMIT $2
