-- Stores a batch of events: the log, what they commit to, the projection, the outbox and the
-- leases, in one statement and so in one transaction. Each event is accepted or not by itself;
-- the accepted ones come back. Arrays are ordered by task id, the order in which rows are locked.
-- An event without a status is a note: it moves the head and changes nothing else.
WITH proposed AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::integer[], $6::text[], $7::text[],
        $8::text[], $9::integer[], $10::integer[], $11::text[], $12::text[],
        $13::text[], $14::text[], $15::text[], $16::double precision[], $17::text[], $18::text[]
    ) AS p (
        task_id, expected_version, event_id, type, schema_version, data, metadata,
        status, attempt, shots, error_code, error_message,
        correlation_id, traceparent, worker_id, lease_seconds, tenant, given_labels
    )
),
head AS MATERIALIZED (
    SELECT tasks.task_id, tasks.version, tasks.head_hash, tasks.head_recorded_at, tasks.labels
    FROM tasks
    WHERE tasks.task_id IN (SELECT task_id FROM proposed WHERE expected_version > 0)
    ORDER BY tasks.task_id
    FOR UPDATE
),
accepted AS MATERIALIZED (
    SELECT
        proposed.*,
        expected_version + 1 AS version,
        recorded_at,
        coalesce(given_labels::json, labels) AS labels,
        event_hash(
            coalesce(head_hash, decode(repeat('00', 32), 'hex')),
            task_id, expected_version + 1, type, schema_version, event_id,
            recorded_at, metadata, data
        ) AS hash
    FROM proposed
    LEFT JOIN head USING (task_id)
    CROSS JOIN LATERAL (
        -- A clock that was set back must not put an event before the one it follows.
        SELECT greatest(clock_timestamp(), head_recorded_at) AS recorded_at
    ) AS clock
    WHERE coalesce(head.version, 0) = expected_version
),
created AS (
    INSERT INTO tasks (
        task_id, version, head_hash, head_recorded_at,
        current_status, shots, attempt, submitted_at, correlation_id, tenant, labels
    )
    SELECT
        task_id, version, hash, recorded_at,
        status, shots, attempt, recorded_at, correlation_id, tenant, labels
    FROM accepted
    WHERE version = 1
    ORDER BY task_id
    ON CONFLICT (task_id) DO NOTHING
    RETURNING task_id
),
moved AS (
    UPDATE tasks
    SET version          = accepted.version,
        head_hash        = accepted.hash,
        head_recorded_at = accepted.recorded_at,
        current_status   = coalesce(accepted.status, tasks.current_status),
        attempt          = coalesce(accepted.attempt, tasks.attempt),
        started_at       = CASE accepted.status
                               WHEN 'pending' THEN NULL
                               WHEN 'processing' THEN accepted.recorded_at
                               ELSE tasks.started_at
                           END,
        completed_at     = CASE
                               WHEN accepted.status IS NULL THEN tasks.completed_at
                               WHEN accepted.status IN ('completed', 'failed', 'cancelled')
                               THEN accepted.recorded_at
                           END,
        error_code       = CASE
                               WHEN accepted.status IS NULL THEN tasks.error_code
                               ELSE accepted.error_code
                           END,
        error_message    = CASE
                               WHEN accepted.status IS NULL THEN tasks.error_message
                               ELSE accepted.error_message
                           END
    FROM accepted
    WHERE tasks.task_id = accepted.task_id
        AND accepted.version > 1
    RETURNING tasks.task_id
),
stored AS MATERIALIZED (
    SELECT *
    FROM accepted
    -- IS TRUE keeps this from becoming a join: nobody knows how many rows there will be, and the loop that
    -- is good for one of them takes the square of their number.
    WHERE (task_id IN (SELECT task_id FROM created UNION ALL SELECT task_id FROM moved)) IS TRUE
),
logged AS (
    INSERT INTO events (
        event_id, task_id, version, type, schema_version, data, metadata, recorded_at, hash
    )
    SELECT
        event_id, task_id, version, type, schema_version, data::json, metadata::json,
        recorded_at, hash
    FROM stored
    ORDER BY task_id
),
committed_to AS (
    INSERT INTO payloads (task_id, kind, salt, body)
    SELECT task_id, kind, salt, body
    FROM unnest($19::uuid[], $20::text[], $21::bytea[], $22::bytea[])
        AS p (task_id, kind, salt, body)
    WHERE task_id IN (SELECT task_id FROM stored)
),
unqueued AS MATERIALIZED (
    DELETE FROM outbox
    USING stored
    WHERE outbox.task_id = stored.task_id
        AND stored.version > 1
    RETURNING outbox.dispatch_number, stored.status
),
given_up AS (
    INSERT INTO withdrawn (dispatch_number)
    SELECT dispatch_number
    FROM unqueued
    WHERE dispatch_number IS NOT NULL
        AND status <> 'processing'
    ON CONFLICT DO NOTHING
),
queued AS (
    INSERT INTO outbox (
        task_id, message_id, correlation_id, traceparent, waiting_since,
        tenant, turn_at, not_before, held
    )
    SELECT
        task_id, event_id, correlation_id, traceparent, recorded_at,
        tenant, turn_of(labels, recorded_at),
        (labels ->> 'not_before')::timestamptz,
        coalesce((labels ->> 'not_before')::timestamptz > recorded_at, false)
    FROM stored
    -- Counted for the order alone: a pending task's old row has to go before its new one comes.
    CROSS JOIN (SELECT count(*) FROM unqueued) AS removed
    WHERE status = 'pending'
    ORDER BY task_id
),
leased AS (
    INSERT INTO leases (task_id, attempt, worker_id, expires_at, tenant)
    SELECT
        task_id, attempt, worker_id,
        clock_timestamp() + make_interval(secs => lease_seconds),
        tenant
    FROM stored
    WHERE status = 'processing'
),
released AS (
    DELETE FROM leases
    WHERE task_id IN (
        SELECT task_id FROM stored WHERE version > 1 AND status <> 'processing'
    )
)
SELECT task_id, version, event_id, recorded_at
FROM stored
