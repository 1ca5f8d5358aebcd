-- How many tasks no worker has claimed; counts up to $1.
SELECT count(*)
FROM (SELECT FROM outbox LIMIT $1) AS counted
