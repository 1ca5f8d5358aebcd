-- The next events of the whole log after a cursor, as read_log.sql, with what is kept beside them.
SELECT
    position, xid::text::bigint AS xid, event_id, page.task_id, page.version, type,
    schema_version, data, metadata, recorded_at, hash, leaf_number,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = page.task_id) AS contents
FROM (
    SELECT *
    FROM events
    WHERE (xid, position) > ($1::text::xid8, $2::bigint)
        AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, position
    LIMIT $3
) AS page
LEFT JOIN LATERAL (
    SELECT leaf_number
    FROM leaves
    WHERE leaves.task_id = page.task_id
        AND leaves.version = page.version
    LIMIT 1
) AS leaf ON true
ORDER BY page.xid, page.position
