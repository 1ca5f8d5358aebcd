-- One task's events as stored, oldest first; none where it is another tenant's. NULL asks for all.
SELECT
    position, xid::text::bigint AS xid, event_id, task_id, version, type, schema_version,
    data, metadata, recorded_at, hash
FROM events
WHERE task_id = $1
    AND (
        $2::text IS NULL
        OR EXISTS (SELECT FROM tasks WHERE tasks.task_id = $1 AND tasks.tenant = $2)
    )
ORDER BY version
