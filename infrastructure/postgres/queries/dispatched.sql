-- The numbers that are dispatched and not claimed yet, those that were given up, the highest ever
-- given, and whether dispatch is paused; all from one snapshot. Given-up numbers with no dispatched
-- one before them tell nothing more and are removed, as are the oldest of very many.
WITH present AS (
    SELECT coalesce(array_agg(dispatch_number ORDER BY dispatch_number), '{}') AS numbers
    FROM outbox
    WHERE dispatch_number IS NOT NULL
),
given AS (
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS last_number
    FROM dispatch_numbers
),
of_no_use AS (
    DELETE FROM withdrawn
    USING present, given
    WHERE withdrawn.dispatch_number
        < greatest(coalesce(numbers[1], last_number), last_number - 100000)
)
SELECT
    numbers,
    last_number,
    EXISTS (SELECT FROM pauses WHERE resumed_at IS NULL) AS paused,
    (
        SELECT coalesce(array_agg(dispatch_number ORDER BY dispatch_number), '{}')
        FROM withdrawn
    ) AS withdrawn
FROM present
CROSS JOIN given
