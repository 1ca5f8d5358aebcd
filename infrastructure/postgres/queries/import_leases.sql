-- Claims of workers that are not here: they have run out, and their tasks will be requeued.
INSERT INTO leases (task_id, attempt, worker_id, tenant, expires_at)
SELECT task_id, attempt, worker_id, tenant, clock_timestamp()
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[])
    AS held (task_id, attempt, worker_id, tenant)
