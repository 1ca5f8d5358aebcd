-- A log that has events is dropped only when that is asked for by name.
DO $$
BEGIN
    IF EXISTS (SELECT FROM events)
        AND coalesce(current_setting('ketlog.force_rollback', true), '') <> 'on'
    THEN
        RAISE EXCEPTION 'the event log has events and would be lost'
            USING HINT = 'Export it first, or force the rollback.';
    END IF;
END;
$$;

DROP TABLE payloads;
DROP TABLE events;
DROP FUNCTION refuse_change();
DROP FUNCTION event_hash(bytea, uuid, integer, text, integer, uuid, timestamptz, text, text);
