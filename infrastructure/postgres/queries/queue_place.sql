-- How a task stands in the line of its tenant; nothing where it is another tenant's. NULL asks for all
-- tenants. What is counted is bounded: $3 tasks ahead, starts among the last 2,000 events of $4 seconds,
-- 1,000 tenants.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT
        tasks.task_id, tasks.tenant, current_status, dispatch_number, turn_at, row_id,
        greatest(coalesce(waiting_since, submitted_at), not_before) AS ready_since
    FROM tasks
    LEFT JOIN outbox ON outbox.task_id = tasks.task_id
    WHERE tasks.task_id = $1
        AND ($2::text IS NULL OR tasks.tenant = $2)
),
sent AS MATERIALIZED (
    SELECT outbox.tenant = asked.tenant AS own
    FROM outbox
    CROSS JOIN asked
    WHERE outbox.dispatch_number IS NOT NULL
        AND asked.row_id IS NOT NULL
        AND (asked.dispatch_number IS NULL OR outbox.dispatch_number < asked.dispatch_number)
),
before AS (
    SELECT
    FROM outbox
    CROSS JOIN asked
    WHERE asked.row_id IS NOT NULL
        AND asked.dispatch_number IS NULL
        AND outbox.dispatch_number IS NULL
        AND NOT outbox.held
        AND outbox.tenant = asked.tenant
        AND (outbox.turn_at, outbox.row_id) < (asked.turn_at, asked.row_id)
    LIMIT $3
),
lines AS (
    (
        SELECT tenant, 1 AS number
        FROM outbox
        WHERE dispatch_number IS NULL AND NOT held
        ORDER BY tenant
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant, number + 1
    FROM lines
    CROSS JOIN LATERAL (
        SELECT tenant
        FROM outbox
        WHERE dispatch_number IS NULL AND NOT held AND tenant > lines.tenant
        ORDER BY tenant
        LIMIT 1
    ) AS following
    WHERE number < 1000
),
lately AS MATERIALIZED (
    SELECT type, recorded_at, coalesce(metadata ->> 'tenant', '') AS tenant
    FROM (
        SELECT type, recorded_at, metadata
        FROM events
        ORDER BY xid DESC, position DESC
        LIMIT 2000
    ) AS newest
    WHERE recorded_at > clock_timestamp() - make_interval(secs => $4)
),
span AS (
    SELECT
        greatest(extract(epoch FROM clock_timestamp() - min(recorded_at)), 1)::double precision
            AS seconds
    FROM lately
)
SELECT
    asked.task_id,
    current_status AS status,
    clock_timestamp() AS now,
    ready_since,
    dispatch_number IS NOT NULL AS sent,
    ((SELECT count(*) FROM before) + (SELECT count(*) FROM sent WHERE own)) AS own_ahead,
    (SELECT count(*) FROM sent) AS sent_ahead,
    greatest((SELECT count(*) FROM lines), 1) AS lines,
    coalesce(
        (SELECT count(*) FROM lately WHERE type = 'ProcessingStarted') / (SELECT seconds FROM span),
        0
    ) AS starts,
    coalesce(
        (
            SELECT count(*)
            FROM lately
            WHERE type = 'ProcessingStarted'
                AND tenant = asked.tenant
        ) / (SELECT seconds FROM span),
        0
    ) AS own_starts,
    EXISTS (SELECT FROM pauses WHERE resumed_at IS NULL) AS paused,
    EXISTS (SELECT FROM leases) AS working
FROM asked
