-- A piece of the tree, leaf by leaf.
SELECT
    leaf_number, task_id, version,
    CASE
        WHEN octet_length(event_hash) = 32 THEN event_hash
        ELSE decode(repeat('00', 32), 'hex')
    END AS event_hash,
    subtrees
FROM leaves
WHERE leaf_number >= $1
ORDER BY leaf_number
LIMIT $2
