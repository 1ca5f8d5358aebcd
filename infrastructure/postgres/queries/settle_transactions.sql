-- After a restore into a younger cluster: marks every event as written before all transactions of
-- this cluster, in the order of their positions. The hash does not cover this column.
UPDATE events
SET xid = '2'
WHERE EXISTS (SELECT FROM events WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
