-- The checkpoints after a size.
SELECT size, root, note, sealed_at
FROM checkpoints
WHERE size > $1
ORDER BY size
LIMIT $2
