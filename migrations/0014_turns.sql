-- depends: 0010_tenants_and_labels

-- held: not_before has not come yet, as far as the relay has seen. What is chosen next is found by
-- one index: the line of each tenant, one after the other.
ALTER TABLE outbox ADD COLUMN held boolean NOT NULL DEFAULT false;

UPDATE outbox SET held = true WHERE dispatch_number IS NULL AND not_before > clock_timestamp();

DROP INDEX outbox_waiting;
DROP INDEX outbox_held;
CREATE INDEX outbox_waiting ON outbox (tenant, turn_at, row_id)
    WHERE dispatch_number IS NULL AND NOT held;
CREATE INDEX outbox_held ON outbox (not_before) WHERE held;
