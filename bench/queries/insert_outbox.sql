-- The baseline of appends: tasks that wait.
INSERT INTO outbox (task_id, message_id, correlation_id, traceparent, waiting_since, turn_at)
SELECT task_id, message_id, correlation_id, traceparent, waiting_since, waiting_since
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
    AS row (task_id, message_id, correlation_id, traceparent, waiting_since)
