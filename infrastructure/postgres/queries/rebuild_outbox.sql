-- Lets tasks wait again that are pending by the shadow.
INSERT INTO outbox (
    task_id, message_id, correlation_id, traceparent, waiting_since, tenant, turn_at, not_before,
    held
)
SELECT
    task_id, event_id, correlation_id, metadata ->> 'traceparent', recorded_at,
    tenant, turn_of(labels, recorded_at), (labels ->> 'not_before')::timestamptz,
    coalesce((labels ->> 'not_before')::timestamptz > recorded_at, false)
FROM ketlog_rebuild.tasks
JOIN events USING (task_id, version)
WHERE current_status = 'pending'
    AND task_id = ANY ($1::uuid[])
ORDER BY recorded_at, task_id
