-- A tenant's tasks between two places, newest first. The tenant without a name has another index.
-- Said in this way only the index of tenants has the order, so that a tenant with few tasks is
-- never looked for among those of all.
SELECT *
FROM tasks
WHERE (tenant, submitted_at, task_id) < ($6, $1, $2)
    AND (tenant, submitted_at) >= ($6, $4)
    AND tenant <> ''
    AND submitted_at < $3
ORDER BY tenant DESC, submitted_at DESC, task_id DESC
LIMIT $5
