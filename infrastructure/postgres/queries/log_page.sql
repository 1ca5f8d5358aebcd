-- The first events that a filter lets through, of those between two cursors of the whole log.
SELECT
    position, xid::text::bigint AS xid, event_id, page.task_id, page.version, type,
    schema_version, data, metadata, recorded_at, hash, leaf_number,
    (SELECT array_agg(kind) FROM payloads WHERE payloads.task_id = page.task_id) AS contents
FROM (
    SELECT *
    FROM events
    WHERE (xid, position) > ($1::text::xid8, $2::bigint)
        AND (xid, position) <= ($3::text::xid8, $4::bigint)
        AND ($6::text[] IS NULL OR type = ANY ($6))
        AND ($7::timestamptz IS NULL OR recorded_at >= $7)
        AND ($8::timestamptz IS NULL OR recorded_at < $8)
        -- Nobody knows how many events a tenant has. This form makes no guess of few, so that the log
        -- is walked in its order until the page is full, instead of sorted.
        AND CASE WHEN $9::text IS NULL THEN true ELSE coalesce(metadata ->> 'tenant', '') = $9 END
    ORDER BY xid, position
    LIMIT $5
) AS page
LEFT JOIN leaves ON leaves.task_id = page.task_id AND leaves.version = page.version
ORDER BY page.xid, page.position
