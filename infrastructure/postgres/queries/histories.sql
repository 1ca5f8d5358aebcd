-- The streams of some tasks, oldest event first in each; with the first event, what was submitted.
-- LATERAL with LIMIT: contents are looked up one by one, whatever the planner thinks of the table.
SELECT
    events.task_id, events.version, events.event_id, events.type, events.schema_version,
    events.data, events.metadata, events.recorded_at,
    circuit.salt AS circuit_salt, circuit.body AS circuit_body,
    parameters.salt AS parameters_salt, parameters.body AS parameters_body
FROM events
LEFT JOIN LATERAL (
    SELECT salt, body
    FROM payloads
    WHERE payloads.task_id = events.task_id
        AND kind = 'circuit'
        AND events.version = 1
    LIMIT 1
) AS circuit ON true
LEFT JOIN LATERAL (
    SELECT salt, body
    FROM payloads
    WHERE payloads.task_id = events.task_id
        AND kind = 'parameters'
        AND events.version = 1
    LIMIT 1
) AS parameters ON true
WHERE events.task_id = ANY ($1::uuid[])
ORDER BY events.task_id, events.version
