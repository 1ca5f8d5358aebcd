-- A task as its status answer shows it, in one read.
SELECT
    tasks.task_id, tasks.version, current_status, shots, attempt, correlation_id,
    submitted_at, started_at, completed_at, error_code, error_message, tenant, labels,
    history.statuses, history.times, history.notes,
    result.body AS result, memory.body AS memory,
    completion.execution, completion.has_memory, cancellation.cancel_reason,
    comparisons.types AS comparison_types, comparisons.schema_versions AS comparison_versions,
    comparisons.data AS comparison_data, comparisons.times AS comparison_times
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
LEFT JOIN LATERAL (
    SELECT data ->> 'execution' AS execution, data ->> 'memory' IS NOT NULL AS has_memory
    FROM events
    WHERE events.task_id = tasks.task_id
        AND type = 'TaskCompleted'
        AND current_status = 'completed'
) AS completion ON true
LEFT JOIN LATERAL (
    SELECT data ->> 'reason' AS cancel_reason
    FROM events
    WHERE events.task_id = tasks.task_id
        AND events.version = tasks.version
        AND current_status = 'cancelled'
) AS cancellation ON true
LEFT JOIN LATERAL (
    SELECT
        array_agg(type ORDER BY version) AS types,
        array_agg(schema_version ORDER BY version) AS schema_versions,
        array_agg(data::text ORDER BY version) AS data,
        array_agg(recorded_at ORDER BY version) AS times
    FROM (
        SELECT type, schema_version, data, recorded_at, version
        FROM events
        WHERE events.task_id = tasks.task_id
            AND type IN ('ResultReproduced', 'ResultDiverged')
            AND current_status = 'completed'
        ORDER BY version DESC
        LIMIT $2
    ) AS newest
) AS comparisons ON true
WHERE tasks.task_id = $1
