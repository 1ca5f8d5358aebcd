-- One task's events above a version, with what is kept beside them; none where it is another
-- tenant's. NULL asks for all.
SELECT
    position, xid::text::bigint AS xid, event_id, events.task_id, events.version, type,
    schema_version, data, metadata, recorded_at, hash, leaf_number,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = events.task_id) AS contents
FROM events
LEFT JOIN leaves ON leaves.task_id = events.task_id AND leaves.version = events.version
WHERE events.task_id = $1
    AND events.version > $2
    AND (
        $4::text IS NULL
        OR EXISTS (SELECT FROM tasks WHERE tasks.task_id = $1 AND tasks.tenant = $4)
    )
ORDER BY events.version
LIMIT $3
