-- Sets what one tenant may use; NULL for what the settings say.
INSERT INTO tenant_limits (tenant, requests_per_second, burst, backlog)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant) DO UPDATE
SET requests_per_second = excluded.requests_per_second,
    burst = excluded.burst,
    backlog = excluded.backlog
