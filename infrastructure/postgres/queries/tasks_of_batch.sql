-- Ids of tasks that were submitted together, up to so many.
SELECT task_id
FROM tasks
WHERE (labels ->> 'batch_id')::uuid = $1::text::uuid
    AND labels ->> 'batch_id' IS NOT NULL
LIMIT $2
