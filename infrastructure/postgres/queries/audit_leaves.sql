-- The leaves of a range of tasks.
SELECT task_id, version, leaf_number, event_hash
FROM leaves
WHERE task_id > $1
    AND task_id <= $2
