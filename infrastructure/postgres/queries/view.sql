-- A task as its status answer shows it, in one read.
SELECT
    tasks.task_id, tasks.version, current_status, shots, attempt, correlation_id,
    submitted_at, started_at, completed_at, error_code, error_message,
    history.statuses, history.times, history.notes,
    result.body AS result, memory.body AS memory,
    (
        SELECT data ->> 'execution'
        FROM events
        WHERE events.task_id = tasks.task_id
            AND events.version = tasks.version
            AND current_status = 'completed'
    ) AS execution
FROM tasks
LEFT JOIN payloads AS result
    ON result.task_id = tasks.task_id AND result.kind = 'result'
LEFT JOIN payloads AS memory
    ON memory.task_id = tasks.task_id AND memory.kind = 'memory'
CROSS JOIN LATERAL (
    SELECT
        array_agg(status ORDER BY version) AS statuses,
        array_agg(transitioned_at ORDER BY version) AS times,
        array_agg(notes ORDER BY version) AS notes
    FROM status_history
    WHERE status_history.task_id = tasks.task_id
) AS history
WHERE tasks.task_id = $1
