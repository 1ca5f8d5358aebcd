-- What a task was submitted with, as far as it was not erased. Who asks for a task of another tenant
-- finds nothing; NULL asks for all tenants.
SELECT
    submission.type, submission.schema_version, submission.data::text AS data,
    circuit.body AS circuit, parameters.body AS parameters
FROM tasks
JOIN events AS submission
    ON submission.task_id = tasks.task_id AND submission.version = 1
LEFT JOIN payloads AS circuit
    ON circuit.task_id = tasks.task_id AND circuit.kind = 'circuit'
LEFT JOIN payloads AS parameters
    ON parameters.task_id = tasks.task_id AND parameters.kind = 'parameters'
WHERE tasks.task_id = $1
    AND ($2::text IS NULL OR tasks.tenant = $2)
