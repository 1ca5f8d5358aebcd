SELECT resource, span
FROM spans
WHERE trace_id = $1;
