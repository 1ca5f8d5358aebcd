-- After settle_transactions: puts the events that have no leaf yet behind those that have one, so
-- that the sealer, which goes on behind the last leaf, finds them.
UPDATE events
SET xid = '3'
WHERE xid = '2'
    AND NOT EXISTS (
        SELECT FROM leaves
        WHERE leaves.task_id = events.task_id AND leaves.version = events.version
    )
