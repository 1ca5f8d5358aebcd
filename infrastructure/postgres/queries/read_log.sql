-- The next events of the whole log after a cursor. A transaction that is still open may yet add
-- events with lower positions, so only those of transactions older than every open one are read.
SELECT
    position, xid::text::bigint AS xid, event_id, task_id, version, type, schema_version,
    data, metadata, recorded_at, hash
FROM events
WHERE (xid, position) > ($1::text::xid8, $2::bigint)
    AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY events.xid, events.position
LIMIT $3
