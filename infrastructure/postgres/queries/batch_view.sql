-- How the tasks of a batch stand, in one read; nothing where it is another tenant's. NULL asks for
-- all tenants.
WITH batch AS MATERIALIZED (
    SELECT
        task_id, current_status, correlation_id, submitted_at, started_at, completed_at,
        error_code, error_message
    FROM tasks
    WHERE (labels ->> 'batch_id')::uuid = $1
        AND labels ->> 'batch_id' IS NOT NULL
        AND ($2::text IS NULL OR tenant = $2)
),
failed AS (
    SELECT task_id, error_code, error_message, completed_at
    FROM batch
    WHERE current_status = 'failed'
    ORDER BY completed_at, task_id
    LIMIT $3
)
SELECT
    count(*) FILTER (WHERE current_status = 'pending') AS pending,
    count(*) FILTER (WHERE current_status = 'processing') AS processing,
    count(*) FILTER (WHERE current_status = 'completed') AS completed,
    count(*) FILTER (WHERE current_status = 'failed') AS failed,
    count(*) FILTER (WHERE current_status = 'cancelled') AS cancelled,
    min(correlation_id) AS correlation_id,
    min(submitted_at) AS submitted_at,
    min(started_at) AS started_at,
    max(completed_at) AS completed_at,
    (SELECT array_agg(task_id ORDER BY completed_at, task_id) FROM failed) AS failed_tasks,
    (SELECT array_agg(error_code ORDER BY completed_at, task_id) FROM failed) AS codes,
    (SELECT array_agg(error_message ORDER BY completed_at, task_id) FROM failed) AS messages
FROM batch
HAVING count(*) > 0
