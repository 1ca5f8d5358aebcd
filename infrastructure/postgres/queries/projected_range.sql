-- What the projections hold of a range of tasks: the head and status, what waits, what is leased.
SELECT
    task_id,
    tasks.task_id IS NOT NULL AS is_projected,
    tasks.version, head_hash, head_recorded_at, current_status, shots, tasks.attempt,
    submitted_at, started_at, completed_at, error_code, error_message, tasks.correlation_id,
    tasks.tenant, labels,
    outbox.task_id IS NOT NULL AS is_waiting,
    message_id, outbox.correlation_id AS waiting_correlation_id, traceparent, waiting_since,
    outbox.tenant AS waiting_tenant, turn_at,
    leases.task_id IS NOT NULL AS is_leased,
    leases.attempt AS leased_attempt, worker_id, leases.tenant AS leased_tenant
FROM (SELECT * FROM tasks WHERE task_id >= $1 AND task_id <= $2) AS tasks
FULL JOIN (SELECT * FROM outbox WHERE task_id >= $1 AND task_id <= $2) AS outbox USING (task_id)
FULL JOIN (SELECT * FROM leases WHERE task_id >= $1 AND task_id <= $2) AS leases USING (task_id)
