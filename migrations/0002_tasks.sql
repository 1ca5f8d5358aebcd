-- depends: 0001_events

-- One row a task: its head, on which appends compare and set, and the status that users read.
-- Everything here can be computed from the events.
CREATE TABLE tasks (
    task_id          uuid        PRIMARY KEY,
    version          integer     NOT NULL CHECK (version > 0),
    head_hash        bytea       NOT NULL,
    head_recorded_at timestamptz NOT NULL,
    current_status   text        NOT NULL
        CHECK (current_status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    shots            integer     NOT NULL,
    attempt          integer     NOT NULL,
    submitted_at     timestamptz NOT NULL,
    started_at       timestamptz,
    completed_at     timestamptz,
    error_code       text,
    error_message    text,
    correlation_id   text        NOT NULL
) WITH (
    -- Room on each page for the two updates of a task's life, so that they touch no index.
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

COMMENT ON TABLE tasks IS 'Projection of events: the current status of every task, and its head.';

-- Neither column ever changes, so status updates stay heap-only.
CREATE INDEX tasks_submitted_at ON tasks (submitted_at);
CREATE INDEX tasks_correlation_id ON tasks (correlation_id);

-- The status history is a way to read the log, not a second copy of it.
CREATE VIEW status_history AS
SELECT task_id,
       CASE type
           WHEN 'TaskSubmitted' THEN 'pending'
           WHEN 'ProcessingStarted' THEN 'processing'
           WHEN 'TaskCompleted' THEN 'completed'
           WHEN 'TaskFailed' THEN 'failed'
           WHEN 'TaskCancelled' THEN 'cancelled'
           WHEN 'TaskRequeued' THEN 'pending'
       END AS status,
       recorded_at AS transitioned_at,
       CASE type
           WHEN 'TaskSubmitted' THEN 'Task created'
           WHEN 'ProcessingStarted' THEN 'Worker started processing'
           WHEN 'TaskCompleted' THEN 'Task completed successfully'
           WHEN 'TaskFailed' THEN 'Task failed: ' || (data ->> 'code')
           WHEN 'TaskCancelled' THEN 'Task cancelled'
           WHEN 'TaskRequeued' THEN 'Task requeued: ' || (data ->> 'reason')
       END AS notes,
       version
FROM events
WHERE type IN ('TaskSubmitted', 'ProcessingStarted', 'TaskCompleted', 'TaskFailed',
               'TaskCancelled', 'TaskRequeued');

COMMENT ON VIEW status_history IS 'Every status a task has had, read from its events.';
