-- Some payload rows, as far as they are there.
SELECT payloads.task_id, payloads.kind, salt, body
FROM unnest($1::uuid[], $2::text[]) AS wanted (task_id, kind)
JOIN payloads ON payloads.task_id = wanted.task_id AND payloads.kind = wanted.kind
