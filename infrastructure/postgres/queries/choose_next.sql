-- What is published next, in this order: as many waiting rows as the dispatch window has room for, and
-- none while dispatch is paused. This is the one place where the order of work is decided.
--
-- The tenants that wait share what is in flight, which is dispatched or being processed: whoever has
-- least of it goes first, so they are filled up to the same level. Within a tenant the order is that
-- of turn_at. A tenant with fewer rows than its share leaves the rest to the next look.
WITH RECURSIVE dispatched AS MATERIALIZED (
    SELECT tenant
    FROM outbox
    WHERE dispatch_number IS NOT NULL
    -- For the index, which no statistics are needed to choose then.
    ORDER BY dispatch_number
    LIMIT $1::bigint
),
space AS MATERIALIZED (
    SELECT
        CASE
            WHEN EXISTS (SELECT FROM pauses WHERE resumed_at IS NULL) THEN 0
            ELSE $1::bigint - (SELECT count(*) FROM dispatched)
        END AS room
),
-- From one tenant to the next by the index, past all of their rows.
waiting AS (
    (
        SELECT tenant
        FROM outbox
        WHERE dispatch_number IS NULL
            AND NOT held
            AND (SELECT room FROM space) > 0
        ORDER BY tenant
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT tenant
        FROM outbox
        WHERE dispatch_number IS NULL
            AND NOT held
            AND tenant > waiting.tenant
        ORDER BY tenant
        LIMIT 1
    ) AS following
),
-- Of no interest where nobody shares.
flying AS (
    SELECT tenant, count(*) AS in_flight
    FROM (
        SELECT tenant FROM dispatched
        UNION ALL
        SELECT tenant FROM leases
    ) AS each
    WHERE (SELECT count(*) FROM waiting) > 1
    GROUP BY tenant
),
shares AS (
    SELECT
        tenant,
        coalesce(in_flight, 0) AS in_flight,
        ((SELECT room FROM space) + sum(coalesce(in_flight, 0)) OVER lowest_first)
            / row_number() OVER lowest_first AS level
    FROM waiting
    LEFT JOIN flying USING (tenant)
    WINDOW lowest_first AS (ORDER BY coalesce(in_flight, 0), tenant ROWS UNBOUNDED PRECEDING)
)
SELECT row_id, task_id, message_id, correlation_id, traceparent
FROM shares
CROSS JOIN LATERAL (
    SELECT
        row_id, task_id, message_id, correlation_id, traceparent,
        greatest(waiting_since, not_before) AS ready_since,
        row_number() OVER (ORDER BY turn_at, row_id) AS place
    FROM outbox
    WHERE dispatch_number IS NULL
        AND NOT held
        AND tenant = shares.tenant
    ORDER BY turn_at, row_id
    LIMIT greatest(0, ceil((SELECT min(level) FROM shares)) - in_flight)
) AS next
ORDER BY in_flight + place, ready_since, row_id
LIMIT (SELECT room FROM space)
