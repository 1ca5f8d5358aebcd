-- Removes rows from the outbox that are not what they should be.
DELETE FROM outbox WHERE task_id = ANY ($1::uuid[])
