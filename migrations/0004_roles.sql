-- depends: 0003_delivery

-- The processes work in this role. It can add to the log and read it, nothing else.
-- Roles belong to the whole server: another database of it may have made this one already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ketlog_app') THEN
        CREATE ROLE ketlog_app NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END;
$$;

-- So that the owner's sessions may take the role.
DO $$
BEGIN
    EXECUTE format('GRANT ketlog_app TO %I', current_user);
END;
$$;

GRANT USAGE ON SCHEMA public TO ketlog_app;
GRANT SELECT, INSERT ON events, payloads TO ketlog_app;
GRANT SELECT, INSERT, UPDATE ON tasks TO ketlog_app;
GRANT SELECT ON status_history TO ketlog_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, leases TO ketlog_app;
GRANT USAGE, SELECT ON SEQUENCE dispatch_numbers TO ketlog_app;
