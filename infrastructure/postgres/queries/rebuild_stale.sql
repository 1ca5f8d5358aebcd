-- Tasks with events behind a place in the log that the shadow does not have yet.
SELECT changed.task_id
FROM (
    SELECT task_id, max(version) AS version
    FROM events
    WHERE (xid, position) > ($1::text::xid8, $2::bigint)
    GROUP BY task_id
) AS changed
LEFT JOIN ketlog_rebuild.tasks AS shadow USING (task_id)
WHERE shadow.version IS DISTINCT FROM changed.version
ORDER BY changed.task_id
LIMIT $3
