-- Tasks as their status answers show them, in one read. Who asks for a task of another tenant finds
-- nothing; NULL asks for all tenants.
SELECT
    tasks.task_id, tasks.version, current_status, shots, attempt, correlation_id,
    submitted_at, started_at, completed_at, error_code, error_message, tasks.tenant, labels,
    asked.tenant AS asked_tenant, head_hash,
    history.statuses, history.times, history.notes,
    result.body AS result, memory.body AS memory,
    ending.execution, ending.has_memory, ending.cancel_reason,
    erasure.erased_at, erasure.erased,
    comparisons.types AS comparison_types, comparisons.schema_versions AS comparison_versions,
    comparisons.data AS comparison_data, comparisons.times AS comparison_times
FROM unnest($1::uuid[], $2::text[]) AS asked (task_id, tenant)
-- LATERAL with LIMIT: rows are looked up one by one, whatever the planner thinks of the tables.
CROSS JOIN LATERAL (
    SELECT *
    FROM tasks
    WHERE tasks.task_id = asked.task_id
        AND (asked.tenant IS NULL OR tasks.tenant = asked.tenant)
    LIMIT 1
) AS tasks
LEFT JOIN LATERAL (
    SELECT body
    FROM payloads
    WHERE payloads.task_id = tasks.task_id
        AND kind = 'result'
    LIMIT 1
) AS result ON true
LEFT JOIN LATERAL (
    SELECT body
    FROM payloads
    WHERE payloads.task_id = tasks.task_id
        AND kind = 'memory'
    LIMIT 1
) AS memory ON true
CROSS JOIN LATERAL (
    SELECT
        array_agg(status ORDER BY version) AS statuses,
        array_agg(transitioned_at ORDER BY version) AS times,
        array_agg(notes ORDER BY version) AS notes
    FROM status_history
    WHERE status_history.task_id = tasks.task_id
) AS history
LEFT JOIN LATERAL (
    SELECT
        version,
        data ->> 'execution' AS execution,
        data ->> 'memory' IS NOT NULL AS has_memory,
        data ->> 'reason' AS cancel_reason
    FROM events
    WHERE events.task_id = tasks.task_id
        AND type = CASE current_status
                       WHEN 'completed' THEN 'TaskCompleted'
                       WHEN 'cancelled' THEN 'TaskCancelled'
                   END
    LIMIT 1
) AS ending ON true
LEFT JOIN LATERAL (
    SELECT
        recorded_at AS erased_at,
        ARRAY(SELECT json_array_elements_text(data -> 'contents')) AS erased
    FROM events
    WHERE events.task_id = tasks.task_id
        AND events.version = tasks.version
        AND type = 'TaskErased'
        -- Who has a result was not erased, and need not be asked.
        AND result.body IS NULL
        AND completed_at IS NOT NULL
    LIMIT 1
) AS erasure ON true
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
            -- Most tasks have no notes after their end, and need no search for them.
            AND tasks.version > ending.version
        ORDER BY version DESC
        LIMIT $3
    ) AS newest
) AS comparisons ON true
