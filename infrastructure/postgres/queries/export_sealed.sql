-- The next sealed events by their leaves, each with the hash of the one before it.
SELECT
    events.position, events.xid::text::bigint AS xid, events.event_id, events.task_id,
    events.version, events.type, events.schema_version, events.data, events.metadata,
    events.recorded_at, events.hash, leaf_number, previous.hash AS previous_hash,
    previous.recorded_at AS previous_recorded_at,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = events.task_id) AS contents
FROM (
    SELECT *
    FROM leaves
    WHERE leaf_number >= $1
        AND leaf_number < $2
    ORDER BY leaf_number
    LIMIT $3
) AS leaves
JOIN events ON events.task_id = leaves.task_id AND events.version = leaves.version
LEFT JOIN events AS previous
    ON previous.task_id = events.task_id AND previous.version = events.version - 1
ORDER BY leaf_number
