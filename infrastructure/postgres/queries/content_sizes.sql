-- How large what is kept beside some tasks' events is, without reading it.
SELECT task_id, sum(octet_length(body)) AS octets
FROM payloads
WHERE task_id = ANY ($1::uuid[])
    AND kind = ANY ($2::text[])
GROUP BY task_id
