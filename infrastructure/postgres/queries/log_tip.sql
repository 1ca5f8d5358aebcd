-- The newest transaction id below which nothing is open: a reader that begins behind it misses no
-- event that is committed from now on; see read_log.sql.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1
