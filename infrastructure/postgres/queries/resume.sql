-- Ends the pause in force, if there is one, and wakes the relay.
WITH ended AS (
    UPDATE pauses
    SET resumed_at = clock_timestamp(),
        resumed_by = $1
    WHERE resumed_at IS NULL
    RETURNING paused_at, reason, actor
)
SELECT paused_at, reason, actor
FROM ended
CROSS JOIN LATERAL (SELECT pg_notify('ketlog_outbox', '')) AS woken
