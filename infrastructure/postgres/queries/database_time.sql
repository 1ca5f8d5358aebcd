-- The present by the clock with which events are recorded.
SELECT clock_timestamp()
