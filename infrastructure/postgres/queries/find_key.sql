-- A key by its id, whatever its state, with what its tenant may use.
SELECT
    key_id, digest, tenant, name, scopes, created_at, expires_at, revoked_at,
    requests_per_second, burst, backlog,
    extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds_left
FROM api_keys
LEFT JOIN tenant_limits USING (tenant)
WHERE key_id = $1
