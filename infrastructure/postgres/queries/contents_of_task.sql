-- What is kept beside a task's events.
SELECT kind, salt, body
FROM payloads
WHERE task_id = $1
ORDER BY kind
