-- The pause in force.
SELECT paused_at, reason, actor
FROM pauses
WHERE resumed_at IS NULL
