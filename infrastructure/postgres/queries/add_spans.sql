-- Keeps spans. The first of two with one id stays: an attempt's end may be told twice.
INSERT INTO spans (trace_id, span_id, resource, span)
SELECT *
FROM unnest($1::text[], $2::text[], $3::json[], $4::json[])
ON CONFLICT (trace_id, span_id) DO NOTHING;
