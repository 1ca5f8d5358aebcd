-- The first tasks of a list that a filter lets through. What is looked at, and in which order, are
-- parts of their own.
SELECT
    task_id, version, current_status, shots, attempt, correlation_id, submitted_at, started_at,
    completed_at, error_code, error_message, labels
FROM ({looked_at}) AS looked_at
WHERE ($6::text IS NULL OR tenant = $6)
    AND ($7::text[] IS NULL OR current_status = ANY ($7))
    AND ($8::jsonb IS NULL OR (labels IS NOT NULL AND (labels -> 'tags')::jsonb @> $8))
    AND ($9::text IS NULL OR labels ->> 'batch_id' = $9)
    AND ($10::text IS NULL OR correlation_id = $10)
    AND ($11::text IS NULL OR labels ->> 'name' = $11)
ORDER BY {order}
LIMIT $12
