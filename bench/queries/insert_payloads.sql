-- The baseline of appends: circuits.
INSERT INTO payloads (task_id, kind, salt, body)
SELECT task_id, 'circuit', salt, body
FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS row (task_id, salt, body)
