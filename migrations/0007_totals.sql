-- depends: 0006_spans

-- How many tasks have ended, counted behind the appends by the relays: one row, moved on along the
-- log, so that a number of millions costs nothing to show. What waits and runs is counted anew
-- each time; those tables are small.
CREATE TABLE task_totals (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- The last event that is counted, in the order of the log.
    xid       xid8    NOT NULL DEFAULT '0',
    position  bigint  NOT NULL DEFAULT 0,
    completed bigint  NOT NULL DEFAULT 0,
    failed    bigint  NOT NULL DEFAULT 0,
    cancelled bigint  NOT NULL DEFAULT 0
);

COMMENT ON TABLE task_totals IS 'How many tasks have ended, and how far along the log that is known.';

INSERT INTO task_totals DEFAULT VALUES;

GRANT SELECT, UPDATE ON task_totals TO ketlog_app;
