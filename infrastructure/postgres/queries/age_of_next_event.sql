-- How many seconds ago the first event after a cursor was recorded, whoever may read it already.
SELECT extract(epoch FROM clock_timestamp() - recorded_at)::double precision
FROM events
WHERE (xid, position) > ($1::text::xid8, $2::bigint)
ORDER BY xid, position
LIMIT 1
