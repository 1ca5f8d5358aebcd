-- What is kept beside some tasks' events.
SELECT task_id, kind, body
FROM payloads
WHERE task_id = ANY ($1::uuid[])
    AND kind = ANY ($2::text[])
