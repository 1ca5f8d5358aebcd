-- The next events of the whole log after a cursor, as the sealer needs them; see read_log.sql.
SELECT
    position, xid::text::bigint AS xid, task_id, version, hash,
    extract(epoch FROM clock_timestamp() - recorded_at)::double precision AS age_seconds,
    (
        SELECT leaf_number
        FROM leaves
        WHERE leaves.task_id = events.task_id AND leaves.version = events.version
    ) IS NOT NULL AS sealed
FROM events
WHERE (xid, position) > ($1::text::xid8, $2::bigint)
    AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY events.xid, events.position
LIMIT $3
