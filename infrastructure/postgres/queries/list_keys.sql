-- All keys, those of one tenant together, the oldest first.
SELECT
    key_id, digest, tenant, name, scopes, created_at, expires_at, revoked_at,
    requests_per_second, burst, backlog,
    extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds_left
FROM api_keys
LEFT JOIN tenant_limits USING (tenant)
ORDER BY tenant, created_at, key_id
