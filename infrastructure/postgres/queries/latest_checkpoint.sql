-- The checkpoint of the largest tree.
SELECT size, root, note, sealed_at
FROM checkpoints
ORDER BY size DESC
LIMIT 1
