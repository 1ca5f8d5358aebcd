-- Removes the oldest spans, as far as they are old enough; a bounded number at a time.
DELETE FROM spans
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM spans
    WHERE stored_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY stored_at
    LIMIT $2
));
