-- The last event below which no open transaction can add one any more.
SELECT xid::text::bigint AS xid, position
FROM events
WHERE events.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY events.xid DESC, events.position DESC
LIMIT 1
