DROP INDEX outbox_held;
DROP INDEX outbox_waiting;
ALTER TABLE outbox DROP COLUMN held;
CREATE INDEX outbox_waiting ON outbox (row_id) WHERE dispatch_number IS NULL;
CREATE INDEX outbox_held ON outbox (not_before) WHERE not_before IS NOT NULL;
