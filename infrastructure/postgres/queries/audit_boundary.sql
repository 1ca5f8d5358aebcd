-- The task up to which the next piece of the audit reaches: the one of the event so far ahead.
SELECT task_id
FROM events
WHERE task_id >= $1
ORDER BY task_id, version
OFFSET $2
LIMIT 1
