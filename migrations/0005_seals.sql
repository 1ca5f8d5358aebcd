-- depends: 0004_roles

-- The place of each sealed event in the Merkle tree over the whole log. Every perfect subtree is
-- completed by one leaf and its hash kept there, so the tree of any size can be put together, and
-- grown, from a few rows.
CREATE TABLE leaves (
    leaf_number bigint  PRIMARY KEY CHECK (leaf_number >= 0),
    task_id     uuid    NOT NULL,
    version     integer NOT NULL,
    event_hash  bytea   NOT NULL CHECK (octet_length(event_hash) = 32),
    subtrees    bytea   NOT NULL,
    CONSTRAINT leaves_event UNIQUE (task_id, version)
);

COMMENT ON TABLE leaves IS 'Numbers of the sealed events in the Merkle tree, and the tree.';

-- Signed notes that say what the tree was at a size.
CREATE TABLE checkpoints (
    size      bigint      PRIMARY KEY CHECK (size > 0),
    root      bytea       NOT NULL CHECK (octet_length(root) = 32),
    note      text        NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE checkpoints IS 'Signed heads of the Merkle tree, as they were published.';

CREATE TRIGGER leaves_are_final
    BEFORE UPDATE OR DELETE OR TRUNCATE ON leaves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE leaves ENABLE ALWAYS TRIGGER leaves_are_final;

CREATE TRIGGER checkpoints_are_final
    BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_are_final;

GRANT SELECT, INSERT ON leaves, checkpoints TO ketlog_app;
