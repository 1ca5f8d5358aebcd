-- Keeps a signed checkpoint.
INSERT INTO checkpoints (size, root, note)
VALUES ($1, $2, $3)
ON CONFLICT (size) DO NOTHING
