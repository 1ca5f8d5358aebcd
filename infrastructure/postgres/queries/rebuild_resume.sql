-- Removes what an interrupted rebuild has filled behind the place up to which it is complete.
DELETE FROM ketlog_rebuild.tasks
USING ketlog_rebuild.progress
WHERE task_id >= next_task
    AND NOT is_filled
