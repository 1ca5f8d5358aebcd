-- Makes the relays count the ends of tasks anew, from the beginning of the log.
UPDATE task_totals
SET xid = '0', position = 0, completed = 0, failed = 0, cancelled = 0
