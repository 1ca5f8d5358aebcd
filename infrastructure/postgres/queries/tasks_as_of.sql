-- Tasks as they stood at a time, the newest submission first; behind one that was shown already.
SELECT tasks.task_id, submitted_at, last.status, last.transitioned_at, last.notes, last.version
FROM tasks
CROSS JOIN LATERAL (
    SELECT status, transitioned_at, notes, version
    FROM status_history
    WHERE status_history.task_id = tasks.task_id
        AND transitioned_at <= $1
    ORDER BY version DESC
    LIMIT 1
) AS last
WHERE submitted_at <= $1
    AND (submitted_at, tasks.task_id) < ($2, $3::uuid)
ORDER BY submitted_at DESC, tasks.task_id DESC
LIMIT $4
