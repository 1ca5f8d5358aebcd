-- A new key, which expires after $6 seconds, or never.
INSERT INTO api_keys (key_id, digest, tenant, name, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))
RETURNING expires_at
