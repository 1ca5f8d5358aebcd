-- The events of a range of tasks in their order, fields of fixed length first; a hash that was cut
-- or removed reads as zeros. `in_sealed_part` says whether the log is sealed past the event.
SELECT
    task_id, version, event_id, schema_version, recorded_at,
    CASE WHEN octet_length(hash) = 32 THEN hash ELSE decode(repeat('00', 32), 'hex') END AS hash,
    (xid, position) <= ($3::text::xid8, $4::bigint) AS in_sealed_part,
    type, metadata, data
FROM events
WHERE task_id >= $1
    AND task_id <= $2
ORDER BY task_id, version
