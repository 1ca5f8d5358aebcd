-- For how many milliseconds tasks waited until a worker began with them, those that have begun.
SELECT extract(epoch FROM started.recorded_at - submitted.recorded_at)::float8 * 1000
FROM events AS submitted
JOIN events AS started ON started.task_id = submitted.task_id AND started.version = 2
WHERE submitted.task_id = ANY (%s)
    AND submitted.version = 1
