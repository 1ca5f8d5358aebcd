-- The streams of some tasks, oldest event first in each; with the first event, what was submitted.
SELECT
    events.task_id, events.version, events.event_id, events.type, events.schema_version,
    events.data, events.metadata, events.recorded_at,
    circuit.salt AS circuit_salt, circuit.body AS circuit_body,
    parameters.salt AS parameters_salt, parameters.body AS parameters_body
FROM events
LEFT JOIN payloads AS circuit
    ON circuit.task_id = events.task_id AND circuit.kind = 'circuit' AND events.version = 1
LEFT JOIN payloads AS parameters
    ON parameters.task_id = events.task_id AND parameters.kind = 'parameters'
        AND events.version = 1
WHERE events.task_id = ANY ($1::uuid[])
ORDER BY events.task_id, events.version
