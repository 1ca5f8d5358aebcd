-- Ends a key; one that was revoked before keeps that time. No row: there is no such key.
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE key_id = $1
RETURNING tenant, name, revoked_at
