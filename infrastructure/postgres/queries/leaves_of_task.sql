-- The leaves of one task's events.
SELECT leaf_number AS number, task_id, version, event_hash, subtrees
FROM leaves
WHERE task_id = $1
ORDER BY version
