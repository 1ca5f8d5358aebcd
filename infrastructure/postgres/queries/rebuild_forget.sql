-- Removes tasks from the shadow that are about to be put there anew.
DELETE FROM ketlog_rebuild.tasks WHERE task_id = ANY ($1::uuid[])
