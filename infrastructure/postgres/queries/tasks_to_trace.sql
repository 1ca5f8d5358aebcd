-- The newest tasks with this id, correlation id or trace id, and the trace context of each.
SELECT tasks.task_id, metadata ->> 'traceparent' AS traceparent
FROM tasks
JOIN events ON events.task_id = tasks.task_id AND events.version = 1
WHERE tasks.task_id IN (
    SELECT task_id FROM tasks WHERE task_id = $1
    UNION
    SELECT task_id FROM tasks WHERE correlation_id = $2
    UNION
    SELECT (attribute -> 'value' ->> 'stringValue')::uuid
    FROM spans
    CROSS JOIN LATERAL json_array_elements(span -> 'attributes') AS attribute
    WHERE trace_id = $3 AND attribute ->> 'key' = 'ketlog.task.id'
)
ORDER BY submitted_at DESC
LIMIT $4;
