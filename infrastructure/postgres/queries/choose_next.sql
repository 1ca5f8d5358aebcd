-- What is published next: the oldest waiting rows whose time has come, as many as the dispatch window
-- has room for, and none while dispatch is paused. This is the one place where the order of work is
-- decided.
SELECT row_id, task_id, message_id, correlation_id, traceparent
FROM outbox
WHERE dispatch_number IS NULL
    AND (not_before IS NULL OR not_before <= clock_timestamp())
    AND NOT EXISTS (SELECT FROM pauses WHERE resumed_at IS NULL)
ORDER BY row_id
LIMIT greatest(
    0,
    $1::bigint - (SELECT count(*) FROM outbox WHERE dispatch_number IS NOT NULL)
)
