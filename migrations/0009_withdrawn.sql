-- depends: 0008_pauses

-- Dispatch numbers that left the outbox without a claim: their tasks were cancelled, or wait for
-- another message. A number that is in neither table was claimed, which is how the relay notices
-- messages that were left behind. Kept while a smaller number is dispatched.
CREATE TABLE withdrawn (
    dispatch_number bigint PRIMARY KEY
);

COMMENT ON TABLE withdrawn IS 'Dispatch numbers that were given up and not claimed.';

GRANT SELECT, INSERT, DELETE ON withdrawn TO ketlog_app;
