-- What was erased stays erased, and its events stay in the log.
DROP TRIGGER payloads_go_on_record ON payloads;
DROP FUNCTION refuse_silent_erasure();
DROP TRIGGER erasure_takes_contents ON events;
DROP FUNCTION erase_contents();

COMMENT ON TABLE payloads IS 'Circuits, parameters and results; events carry only an HMAC of each.';
