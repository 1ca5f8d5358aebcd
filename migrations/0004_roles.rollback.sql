-- The role itself stays: it belongs to the server, and other databases may use it.
REVOKE USAGE, SELECT ON SEQUENCE dispatch_numbers FROM ketlog_app;
REVOKE ALL ON outbox, leases, status_history, tasks, events, payloads FROM ketlog_app;
REVOKE USAGE ON SCHEMA public FROM ketlog_app;
