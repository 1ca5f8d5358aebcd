-- One payload.
SELECT salt, body
FROM payloads
WHERE task_id = $1
    AND kind = $2
