-- Claims whose worker has not renewed them in time, oldest first.
SELECT task_id, attempt, worker_id
FROM leases
WHERE expires_at < clock_timestamp()
ORDER BY expires_at
LIMIT $1
