-- The events of a range of tasks in their order, fields of fixed length first. The last of those
-- says whether the log was sealed past the event.
SELECT
    task_id, version, event_id, schema_version, recorded_at, hash,
    (xid, position) <= ($3::text::xid8, $4::bigint) AS in_sealed_part,
    type, metadata, data
FROM events
WHERE task_id > $1
    AND task_id <= $2
ORDER BY task_id, version
