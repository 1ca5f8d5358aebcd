-- What has happened to these tasks above the versions known of them, with what is kept beside it.
-- One task's events become visible in their order, so this needs no barrier as read_log.sql does.
SELECT
    position, xid::text::bigint AS xid, event_id, events.task_id, events.version, type,
    schema_version, data, metadata, recorded_at, hash, leaf_number,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = events.task_id) AS contents
FROM unnest($1::uuid[], $2::integer[]) AS known (task_id, version)
JOIN events ON events.task_id = known.task_id AND events.version > known.version
LEFT JOIN leaves ON leaves.task_id = events.task_id AND leaves.version = events.version
ORDER BY events.task_id, events.version
LIMIT $3
