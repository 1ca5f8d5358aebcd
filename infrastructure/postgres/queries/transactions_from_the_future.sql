-- Whether the log was written by a cluster that had used more transaction ids than this one, as
-- after a restore into a new cluster: its newest events would stay below the horizon for long.
SELECT xid >= pg_snapshot_xmax(pg_current_snapshot())
FROM events
ORDER BY xid DESC, position DESC
LIMIT 1
