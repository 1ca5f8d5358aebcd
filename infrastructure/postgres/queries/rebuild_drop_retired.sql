-- Removes the table that was swapped out.
DROP SCHEMA IF EXISTS ketlog_retired CASCADE
