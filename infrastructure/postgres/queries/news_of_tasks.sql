-- What has happened to these tasks above the versions known of them, with what is kept beside it.
-- One task's events become visible in their order, so this needs no barrier as read_log.sql does.
-- LATERAL with LIMIT: rows are looked up one by one, whatever the planner thinks of the tables.
SELECT
    position, xid::text::bigint AS xid, event_id, new.task_id, new.version, type,
    schema_version, data, metadata, recorded_at, hash, leaf_number,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = new.task_id) AS contents
FROM unnest($1::uuid[], $2::integer[]) AS known (task_id, version)
CROSS JOIN LATERAL (
    SELECT *
    FROM events
    WHERE events.task_id = known.task_id
        AND events.version > known.version
    ORDER BY events.version
    LIMIT $3
) AS new
LEFT JOIN LATERAL (
    SELECT leaf_number
    FROM leaves
    WHERE leaves.task_id = new.task_id
        AND leaves.version = new.version
    LIMIT 1
) AS leaf ON true
ORDER BY new.task_id, new.version
LIMIT $3
