-- One task's events as stored, oldest first.
SELECT
    position, xid::text::bigint AS xid, event_id, task_id, version, type, schema_version,
    data, metadata, recorded_at, hash
FROM events
WHERE task_id = $1
ORDER BY version
