-- The checkpoints of trees larger than the first size, and not larger than the second.
SELECT size, root, note, sealed_at
FROM checkpoints
WHERE size > $1
    AND size <= $2
ORDER BY size
