-- Puts the shadow in the place of `tasks`. Indexes and constraints move with their tables.
CREATE SCHEMA ketlog_retired;
ALTER TABLE public.tasks SET SCHEMA ketlog_retired;
ALTER TABLE ketlog_rebuild.tasks SET SCHEMA public;
DROP SCHEMA ketlog_rebuild CASCADE;
