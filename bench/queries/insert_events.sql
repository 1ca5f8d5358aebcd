-- The baseline of appends: rows of the log.
INSERT INTO events (
    event_id, task_id, version, type, schema_version, data, metadata, recorded_at, hash
)
SELECT event_id, task_id, 1, 'TaskSubmitted', 2, data::json, metadata::json, recorded_at, hash
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[])
    AS row (event_id, task_id, data, metadata, recorded_at, hash)
