-- Adds leaves to the tree, if they follow its last one.
INSERT INTO leaves (leaf_number, task_id, version, event_hash, subtrees)
SELECT *
FROM unnest($1::bigint[], $2::uuid[], $3::integer[], $4::bytea[], $5::bytea[])
WHERE (SELECT coalesce(max(leaf_number) + 1, 0) FROM leaves) = ($1::bigint[])[1]
RETURNING leaf_number
