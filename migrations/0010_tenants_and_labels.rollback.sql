-- Tenants and labels stay in the events, from which the columns are filled when they come back.
ALTER TABLE leases DROP COLUMN tenant;
ALTER TABLE outbox DROP COLUMN tenant, DROP COLUMN turn_at, DROP COLUMN not_before;
DROP FUNCTION turn_of(json, timestamptz);
ALTER TABLE tasks DROP COLUMN tenant, DROP COLUMN labels;
