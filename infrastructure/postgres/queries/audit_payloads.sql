-- The payloads of a range of tasks; of a long one only its size.
SELECT
    task_id, octet_length(body) AS size, kind, salt,
    CASE WHEN octet_length(body) <= $3 THEN body END AS body
FROM payloads
WHERE task_id >= $1
    AND task_id <= $2
