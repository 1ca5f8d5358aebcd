-- The numbers that are dispatched and not claimed yet, the highest ever given, and whether dispatch
-- is paused.
SELECT
    (
        SELECT coalesce(array_agg(dispatch_number ORDER BY dispatch_number), '{}')
        FROM outbox
        WHERE dispatch_number IS NOT NULL
    ) AS numbers,
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM dispatch_numbers) AS last_number,
    EXISTS (SELECT FROM pauses WHERE resumed_at IS NULL) AS paused
