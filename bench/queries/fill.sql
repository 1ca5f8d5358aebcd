-- Makes tasks number %(first)s to %(last)s, completed: their events with valid hashes, their
-- payloads and their rows of the projection, from the templates in `filling`.
WITH made AS MATERIALIZED (
    SELECT
        number, filling.*,
        pg_temp.uuid7_at(submitted) AS task_id,
        pg_temp.uuid7_at(submitted) AS submission_id,
        pg_temp.uuid7_at(started) AS start_id,
        pg_temp.uuid7_at(completed) AS completion_id,
        submitted, started, completed, correlation_id,
        format('00-%%s-%%s-00', replace(correlation_id, '-', ''), left(md5(correlation_id), 16))
            AS traceparent
    FROM (
        SELECT
            number,
            %(begin)s + number * interval '10 milliseconds' AS submitted,
            %(begin)s + number * interval '10 milliseconds' + interval '3 milliseconds' AS started,
            %(begin)s + number * interval '10 milliseconds' + interval '7 milliseconds'
                AS completed,
            gen_random_uuid()::text AS correlation_id
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
    ) AS task
    JOIN filling ON filling.template = mod(number, (SELECT count(*) FROM filling))
),
described AS MATERIALIZED (
    SELECT
        *,
        format(metadata, correlation_id, 'null', traceparent, 'api') AS metadata_1,
        format(metadata, correlation_id, format('"%%s"', submission_id), traceparent, worker)
            AS metadata_2,
        format(metadata, correlation_id, format('"%%s"', start_id), traceparent, worker)
            AS metadata_3
    FROM made
),
submitted AS MATERIALIZED (
    SELECT
        *,
        event_hash(
            decode(repeat('00', 32), 'hex'), task_id, 1, 'TaskSubmitted', 2, submission_id,
            submitted, metadata_1, submitted_data
        ) AS hash_1
    FROM described
),
started AS MATERIALIZED (
    SELECT
        *,
        event_hash(
            hash_1, task_id, 2, 'ProcessingStarted', 1, start_id, started, metadata_2, started_data
        ) AS hash_2
    FROM submitted
),
completed AS MATERIALIZED (
    SELECT
        *,
        event_hash(
            hash_2, task_id, 3, 'TaskCompleted', 1, completion_id, completed, metadata_3,
            completed_data
        ) AS hash_3
    FROM started
),
logged AS (
    INSERT INTO events (
        event_id, task_id, version, type, schema_version, data, metadata, recorded_at, hash
    )
    SELECT
        event.id, task_id, event.version, event.type, event.schema_version, event.data::json, event.metadata::json,
        event.recorded_at, event.hash
    FROM completed
    CROSS JOIN LATERAL (
        VALUES
            (1, 'TaskSubmitted', 2, submission_id, submitted_data, metadata_1, submitted, hash_1),
            (2, 'ProcessingStarted', 1, start_id, started_data, metadata_2, started, hash_2),
            (3, 'TaskCompleted', 1, completion_id, completed_data, metadata_3, completed, hash_3)
    ) AS event (version, type, schema_version, id, data, metadata, recorded_at, hash)
    ORDER BY event.recorded_at
),
kept AS (
    INSERT INTO payloads (task_id, kind, salt, body)
    SELECT task_id, payload.kind, payload.salt, payload.body
    FROM completed
    CROSS JOIN LATERAL (
        VALUES ('circuit', circuit_salt, circuit_body), ('result', result_salt, result_body)
    ) AS payload (kind, salt, body)
    ORDER BY number
)
INSERT INTO tasks (
    task_id, version, head_hash, head_recorded_at, current_status, shots, attempt,
    submitted_at, started_at, completed_at, correlation_id
)
SELECT
    task_id, 3, hash_3, completed, 'completed', %(shots)s, 1,
    submitted, started, completed, correlation_id
FROM completed
ORDER BY number
