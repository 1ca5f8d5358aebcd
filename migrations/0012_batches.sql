-- depends: 0010_tenants_and_labels

-- The tasks of a batch, in its order. Neither column ever changes, so status updates stay heap-only,
-- and tasks that belong to none have no entry.
CREATE INDEX tasks_of_batch ON tasks (((labels ->> 'batch_id')::uuid), task_id)
    WHERE labels ->> 'batch_id' IS NOT NULL;
