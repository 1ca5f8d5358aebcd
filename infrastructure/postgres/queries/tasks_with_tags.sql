-- Ids of tasks that have these tags, up to so many.
SELECT task_id
FROM tasks
WHERE (labels -> 'tags')::jsonb @> $1::jsonb
    AND labels IS NOT NULL
LIMIT $2
