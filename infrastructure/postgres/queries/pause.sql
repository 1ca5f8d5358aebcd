-- Begins a pause of dispatch, unless one is in force.
INSERT INTO pauses (reason, actor)
VALUES ($1, $2)
ON CONFLICT ((resumed_at IS NULL)) WHERE resumed_at IS NULL DO NOTHING
RETURNING pause_id
