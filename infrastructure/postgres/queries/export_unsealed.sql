-- The next events behind a place in the log, each with the hash of the one before it. As in
-- read_log, only events of transactions that are older than every open one.
SELECT
    page.position, page.xid::text::bigint AS xid, page.event_id, page.task_id, page.version,
    page.type, page.schema_version, page.data, page.metadata, page.recorded_at, page.hash,
    leaf_number, previous.hash AS previous_hash,
    previous.recorded_at AS previous_recorded_at,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = page.task_id) AS contents
FROM (
    SELECT *
    FROM events
    WHERE (xid, position) > ($1::text::xid8, $2::bigint)
        AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, position
    LIMIT $3
) AS page
LEFT JOIN leaves ON leaves.task_id = page.task_id AND leaves.version = page.version
LEFT JOIN events AS previous
    ON previous.task_id = page.task_id AND previous.version = page.version - 1
ORDER BY page.xid, page.position
