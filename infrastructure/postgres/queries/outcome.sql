-- What a task's run came to, as far as it was not erased.
SELECT kind, body
FROM payloads
WHERE task_id = $1
    AND kind IN ('result', 'memory')
