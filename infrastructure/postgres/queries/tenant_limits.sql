-- What one tenant may use, where that is not what the settings say.
SELECT requests_per_second, burst, backlog
FROM tenant_limits
WHERE tenant = $1
