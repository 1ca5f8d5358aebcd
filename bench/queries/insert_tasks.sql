-- The baseline of appends: rows of the projection.
INSERT INTO tasks (
    task_id, version, head_hash, head_recorded_at, current_status, shots, attempt, submitted_at,
    correlation_id
)
SELECT task_id, 1, hash, recorded_at, 'pending', shots, 0, recorded_at, correlation_id
FROM unnest($1::uuid[], $2::bytea[], $3::timestamptz[], $4::integer[], $5::text[])
    AS row (task_id, hash, recorded_at, shots, correlation_id)
