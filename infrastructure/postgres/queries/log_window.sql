-- Where the next $3 events of the whole log after a cursor end, and how many there are. As in
-- read_log, only events of transactions that are older than every open one.
SELECT xid::text::bigint AS xid, position, count(*) OVER () AS events
FROM (
    SELECT xid, position
    FROM events
    WHERE (xid, position) > ($1::text::xid8, $2::bigint)
        AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, position
    LIMIT $3
) AS scanned
ORDER BY xid DESC, position DESC
LIMIT 1
