-- Remembers that all tasks below an id are in the shadow.
UPDATE ketlog_rebuild.progress SET next_task = $1
