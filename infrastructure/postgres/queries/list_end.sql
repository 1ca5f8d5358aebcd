-- How far a look at so many tasks reaches.
SELECT count(*) AS tasks, min(submitted_at) AS submitted_at
FROM ({looked_at}) AS looked_at
