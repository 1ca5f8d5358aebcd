-- depends: 0005_seals

-- Recorded traces. Not part of any task: unlogged, emptied by a crash of the server and by age, and
-- absent from backups and replicas. What happened to a task is in its events.
CREATE UNLOGGED TABLE spans (
    trace_id  text        NOT NULL CHECK (length(trace_id) = 32),
    span_id   text        NOT NULL CHECK (length(span_id) = 16),
    resource  json        NOT NULL,
    -- OTLP JSON, as an element of scopeSpans.spans.
    span      json        NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (trace_id, span_id)
);

COMMENT ON TABLE spans IS 'Recorded traces of the last hours, as OTLP JSON.';

CREATE INDEX spans_stored_at ON spans (stored_at);

GRANT SELECT, INSERT, DELETE ON spans TO ketlog_app;
