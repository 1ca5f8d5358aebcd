-- Leaves can be made again from the events, what was signed of them cannot.
DO $$
BEGIN
    IF EXISTS (SELECT FROM checkpoints)
        AND coalesce(current_setting('ketlog.force_rollback', true), '') <> 'on'
    THEN
        RAISE EXCEPTION 'the log has signed checkpoints and they would be lost'
            USING HINT = 'Ship them elsewhere first, or force the rollback.';
    END IF;
END;
$$;

DROP TABLE checkpoints;
DROP TABLE leaves;
