-- The event log: what happened, in the order it happened to each task, never changed.

CREATE TABLE events (
    -- Drawn before the commit: gaps are normal, and a lower position may become visible later.
    position       bigint      GENERATED ALWAYS AS IDENTITY,
    event_id       uuid        NOT NULL,
    task_id        uuid        NOT NULL,
    version        integer     NOT NULL CHECK (version > 0),
    type           text        NOT NULL,
    schema_version integer     NOT NULL CHECK (schema_version > 0),
    -- json, not jsonb: the hash covers the text exactly as it was stored.
    data           json        NOT NULL,
    metadata       json        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- The writing transaction: the whole log is read in the order (xid, position).
    xid            xid8        NOT NULL DEFAULT pg_current_xact_id(),
    hash           bytea       NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (task_id, version),
    CONSTRAINT events_event_id UNIQUE (event_id),
    CONSTRAINT events_log_order UNIQUE (xid, position)
);

COMMENT ON TABLE events IS 'Append-only log of everything that happened to every task.';

-- Content that events commit to by HMAC-SHA256(salt, body). Deleting a row erases the content and
-- leaves every hash valid.
CREATE TABLE payloads (
    task_id uuid  NOT NULL,
    kind    text  NOT NULL CHECK (kind IN ('circuit', 'parameters', 'result', 'memory')),
    salt    bytea NOT NULL CHECK (octet_length(salt) = 32),
    body    bytea NOT NULL,
    PRIMARY KEY (task_id, kind)
);

COMMENT ON TABLE payloads IS 'Circuits, parameters and results; events carry only an HMAC of each.';

-- The hash of one event, byte for byte as domain/hashing.py describes it.
CREATE FUNCTION event_hash(
    previous       bytea,
    task_id        uuid,
    version        integer,
    type           text,
    schema_version integer,
    event_id       uuid,
    recorded_at    timestamptz,
    metadata       text,
    data           text
) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(
        convert_to('ketlog.event.1', 'UTF8')
        || previous
        || uuid_send(task_id)
        || int4send(version)
        || int4send(octet_length(type)) || convert_to(type, 'UTF8')
        || int4send(schema_version)
        || uuid_send(event_id)
        || int8send((extract(epoch FROM recorded_at) * 1000000)::bigint)
        || int4send(octet_length(metadata)) || convert_to(metadata, 'UTF8')
        || int4send(octet_length(data)) || convert_to(data, 'UTF8')
    );

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION '% on % is refused: what was recorded is never changed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Append an event that says what is different now.';
END;
$$;

CREATE TRIGGER events_are_final
    BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ALWAYS: also in a session that calls itself a replica.
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_final;

-- A payload may be erased as a whole row, never altered.
CREATE TRIGGER payloads_are_final
    BEFORE UPDATE OR TRUNCATE ON payloads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE payloads ENABLE ALWAYS TRIGGER payloads_are_final;
