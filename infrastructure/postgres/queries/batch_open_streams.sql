-- The events of the next tasks of a batch that have not ended, one task after the other.
SELECT task_id, version, event_id, type, schema_version, data, metadata, recorded_at
FROM events
WHERE task_id IN (
    SELECT task_id
    FROM tasks
    WHERE (labels ->> 'batch_id')::uuid = $1
        AND labels ->> 'batch_id' IS NOT NULL
        AND ($2::text IS NULL OR tenant = $2)
        AND current_status IN ('pending', 'processing')
    ORDER BY task_id
    LIMIT $3
)
ORDER BY task_id, version
