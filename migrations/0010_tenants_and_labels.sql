-- depends: 0009_withdrawn

-- Whose a task is, and what its client said about it. Both follow from the events; a task without
-- labels has NULL, so that labels cost nothing where there are none.
ALTER TABLE tasks
    ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN labels json;

-- Neither column ever changes, so status updates stay heap-only. The tasks of the empty tenant are
-- listed by tasks_submitted_at: where there are no tenants, that is all of them.
CREATE INDEX tasks_of_tenant ON tasks (tenant, submitted_at, task_id) WHERE tenant <> '';
CREATE INDEX tasks_tags ON tasks USING gin (((labels -> 'tags')::jsonb) jsonb_path_ops)
    WHERE labels IS NOT NULL;

-- By which time a waiting task stands in the line of its tenant; domain/labels.py says the same.
CREATE FUNCTION turn_of(labels json, waiting_since timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN greatest(waiting_since, (labels ->> 'not_before')::timestamptz)
        - CASE labels ->> 'priority'
              WHEN 'high' THEN interval '24 hours'
              WHEN 'low' THEN interval '-24 hours'
              ELSE interval '0'
          END;

-- not_before is there only where a task must not go before that time.
ALTER TABLE outbox
    ADD COLUMN tenant     text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN turn_at    timestamptz,
    ADD COLUMN not_before timestamptz;

ALTER TABLE leases
    ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';

-- Where this schema comes back to a log that has tenants and labels, they are in its events.
UPDATE tasks
SET tenant = coalesce(metadata ->> 'tenant', ''),
    labels = data -> 'labels'
FROM events
WHERE events.task_id = tasks.task_id
    AND events.version = 1
    AND type = 'TaskSubmitted'
    AND schema_version > 1
    AND (metadata ->> 'tenant' IS NOT NULL OR data -> 'labels' IS NOT NULL);

UPDATE outbox
SET tenant     = tasks.tenant,
    turn_at    = turn_of(labels, waiting_since),
    not_before = (labels ->> 'not_before')::timestamptz
FROM tasks
WHERE tasks.task_id = outbox.task_id;

UPDATE leases
SET tenant = tasks.tenant
FROM tasks
WHERE tasks.task_id = leases.task_id
    AND tasks.tenant <> '';

ALTER TABLE outbox ALTER COLUMN turn_at SET NOT NULL;

CREATE INDEX outbox_held ON outbox (not_before) WHERE not_before IS NOT NULL;
