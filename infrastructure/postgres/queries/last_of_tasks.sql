-- The last event of each of some tasks.
SELECT DISTINCT ON (task_id) task_id, version, hash, recorded_at
FROM events
WHERE task_id = ANY ($1::uuid[])
ORDER BY task_id, version DESC
