-- The projection can be made again from the events, but appends stop without their heads.
DO $$
BEGIN
    IF EXISTS (SELECT FROM tasks)
        AND coalesce(current_setting('ketlog.force_rollback', true), '') <> 'on'
    THEN
        RAISE EXCEPTION 'the projection has tasks and would be lost'
            USING HINT = 'Export the log first, or force the rollback.';
    END IF;
END;
$$;

DROP VIEW status_history;
DROP TABLE tasks;
