-- The streams of some tasks, one after the other, each oldest event first.
SELECT
    task_id, version, event_id, type, schema_version, data, metadata, recorded_at, hash
FROM events
WHERE task_id = ANY ($1::uuid[])
ORDER BY task_id, version
