-- For appends that lost: where each task stands, and which event took the version it wanted.
SELECT
    wanted.task_id,
    coalesce(tasks.version, 0) AS version,
    events.event_id,
    events.recorded_at
FROM unnest($1::uuid[], $2::integer[]) AS wanted (task_id, version)
LEFT JOIN tasks USING (task_id)
LEFT JOIN events ON events.task_id = wanted.task_id AND events.version = wanted.version
