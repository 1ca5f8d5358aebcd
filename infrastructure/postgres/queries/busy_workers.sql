-- How many workers run something.
SELECT count(DISTINCT worker_id)
FROM leases
WHERE expires_at > clock_timestamp()
