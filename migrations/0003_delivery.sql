-- depends: 0002_tasks

-- The waiting room: exactly the pending tasks. A row comes with the event that makes a task
-- pending, is numbered when the broker has confirmed a message for it, and goes with the claim.
CREATE TABLE outbox (
    task_id         uuid        PRIMARY KEY,
    row_id          bigint      GENERATED ALWAYS AS IDENTITY,
    message_id      uuid        NOT NULL,
    correlation_id  text        NOT NULL,
    traceparent     text        NOT NULL,
    waiting_since   timestamptz NOT NULL,
    dispatch_number bigint
) WITH (
    -- Rows live for milliseconds: clean up by count, and do not be polite about it.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

COMMENT ON TABLE outbox IS 'Tasks that no worker has claimed yet.';

CREATE INDEX outbox_waiting ON outbox (row_id) WHERE dispatch_number IS NULL;
CREATE INDEX outbox_dispatched ON outbox (dispatch_number) WHERE dispatch_number IS NOT NULL;

CREATE SEQUENCE dispatch_numbers;

-- Who runs what until when: exactly the tasks that are being processed.
CREATE TABLE leases (
    task_id    uuid        PRIMARY KEY,
    attempt    integer     NOT NULL,
    worker_id  text        NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

COMMENT ON TABLE leases IS 'Claims of workers, renewed while they run.';

-- Where this schema comes back to a log that has tasks, they wait and run on as before.
INSERT INTO outbox (task_id, message_id, correlation_id, traceparent, waiting_since)
SELECT tasks.task_id, event_id, correlation_id, metadata ->> 'traceparent', recorded_at
FROM tasks
JOIN events USING (task_id, version)
WHERE current_status = 'pending'
ORDER BY recorded_at, task_id;

INSERT INTO leases (task_id, attempt, worker_id, expires_at)
SELECT tasks.task_id, attempt, data ->> 'worker_id', clock_timestamp()
FROM tasks
JOIN events USING (task_id, version)
WHERE current_status = 'processing';
