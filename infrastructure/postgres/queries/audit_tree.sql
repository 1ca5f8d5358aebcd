-- A piece of the tree, leaf by leaf.
SELECT leaf_number, task_id, version, event_hash, subtrees
FROM leaves
WHERE leaf_number >= $1
ORDER BY leaf_number
LIMIT $2
