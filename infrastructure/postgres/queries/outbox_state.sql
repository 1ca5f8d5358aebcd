-- How many tasks wait, how many of them the broker has a message for, and for how long the oldest
-- has waited, in seconds.
SELECT
    count(*) - count(dispatch_number) AS waiting,
    count(dispatch_number) AS dispatched,
    coalesce(extract(epoch FROM clock_timestamp() - min(waiting_since)), 0)::double precision
        AS oldest_seconds
FROM outbox;
