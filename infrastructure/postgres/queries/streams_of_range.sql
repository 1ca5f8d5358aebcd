-- The streams of a range of tasks, one after the other, each oldest event first.
SELECT
    task_id, version, event_id, type, schema_version, data, metadata, recorded_at, hash
FROM events
WHERE task_id >= $1
    AND task_id <= $2
ORDER BY task_id, version
