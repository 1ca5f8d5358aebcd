-- The next events after a cursor of the tasks that were submitted under one correlation id.
SELECT
    position, xid::text::bigint AS xid, event_id, page.task_id, page.version, type,
    schema_version, data, metadata, recorded_at, hash, leaf_number,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = page.task_id) AS contents
FROM (
    SELECT events.*
    FROM tasks
    JOIN events USING (task_id)
    WHERE tasks.correlation_id = $4
        AND (xid, position) > ($1::text::xid8, $2::bigint)
        AND xid < pg_snapshot_xmin(pg_current_snapshot())
        AND ($5::text[] IS NULL OR type = ANY ($5))
        AND ($6::timestamptz IS NULL OR recorded_at >= $6)
        AND ($7::timestamptz IS NULL OR recorded_at < $7)
        AND ($8::text IS NULL OR tasks.tenant = $8)
    ORDER BY xid, position
    LIMIT $3
) AS page
LEFT JOIN leaves ON leaves.task_id = page.task_id AND leaves.version = page.version
ORDER BY page.xid, page.position
