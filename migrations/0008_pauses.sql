-- depends: 0007_totals

-- When dispatch was paused, by whom and why. The row without an end is the pause in force; the
-- relay looks at it in the statement that chooses what is published next. Rows stay, for auditors.
CREATE TABLE pauses (
    pause_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    paused_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason     text        NOT NULL,
    actor      text        NOT NULL,
    resumed_at timestamptz,
    resumed_by text,
    CHECK ((resumed_at IS NULL) = (resumed_by IS NULL))
);

COMMENT ON TABLE pauses IS 'When nothing was handed to workers, and why.';

-- At most one pause is in force.
CREATE UNIQUE INDEX pauses_in_force ON pauses ((resumed_at IS NULL)) WHERE resumed_at IS NULL;

GRANT SELECT ON pauses TO ketlog_app;
GRANT INSERT (reason, actor) ON pauses TO ketlog_app;
GRANT UPDATE (resumed_at, resumed_by) ON pauses TO ketlog_app;
