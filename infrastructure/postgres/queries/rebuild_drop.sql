-- Removes the shadow, complete or not.
DROP SCHEMA IF EXISTS ketlog_rebuild CASCADE
