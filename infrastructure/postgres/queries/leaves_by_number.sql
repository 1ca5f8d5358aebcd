-- Some leaves by their numbers.
SELECT leaf_number AS number, task_id, version, event_hash, subtrees
FROM leaves
WHERE leaf_number = ANY ($1::bigint[])
