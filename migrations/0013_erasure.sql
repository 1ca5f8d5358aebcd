-- depends: 0010_tenants_and_labels

-- Content goes with an event that says so, and by no other way: the processes' role has no right to
-- delete it. Whoever may append may have a task's content removed, and leaves that event behind.
CREATE FUNCTION erase_contents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS
$$
BEGIN
    DELETE FROM payloads WHERE task_id = NEW.task_id;
    RETURN NULL;
END;
$$;

REVOKE EXECUTE ON FUNCTION erase_contents() FROM PUBLIC;

CREATE TRIGGER erasure_takes_contents
    AFTER INSERT ON events
    FOR EACH ROW
    WHEN (NEW.type = 'TaskErased')
    EXECUTE FUNCTION erase_contents();

ALTER TABLE events ENABLE ALWAYS TRIGGER erasure_takes_contents;

-- Not even the owner removes content by accident.
CREATE FUNCTION refuse_silent_erasure() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = public, pg_temp
AS
$$
BEGIN
    IF NOT EXISTS (SELECT FROM events WHERE task_id = OLD.task_id AND type = 'TaskErased') THEN
        RAISE EXCEPTION 'DELETE on payloads is refused: no event says that task % was erased',
            OLD.task_id
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'DELETE /tasks/{id} of the API appends that event and removes the rows.';
    END IF;
    RETURN OLD;
END;
$$;

-- Erasures from a time in which this schema was rolled back are made good.
DELETE FROM payloads
WHERE task_id IN (SELECT task_id FROM events WHERE type = 'TaskErased');

CREATE TRIGGER payloads_go_on_record
    BEFORE DELETE ON payloads
    FOR EACH ROW EXECUTE FUNCTION refuse_silent_erasure();

ALTER TABLE payloads ENABLE ALWAYS TRIGGER payloads_go_on_record;

COMMENT ON TABLE payloads IS 'Circuits, parameters and results; events carry only an HMAC of each. '
    'Rows are deleted by the event TaskErased alone.';
