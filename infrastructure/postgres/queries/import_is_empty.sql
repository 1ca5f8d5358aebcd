-- Whether nothing was ever recorded here.
SELECT NOT EXISTS (SELECT FROM events)
    AND NOT EXISTS (SELECT FROM tasks)
    AND NOT EXISTS (SELECT FROM payloads)
    AND NOT EXISTS (SELECT FROM leaves)
    AND NOT EXISTS (SELECT FROM checkpoints)
