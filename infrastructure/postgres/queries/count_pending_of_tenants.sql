-- How many tasks of each of some tenants no worker has claimed; counts up to the number beside it.
SELECT tenant, pending
FROM unnest($1::text[], $2::integer[]) AS asked (tenant, most)
CROSS JOIN LATERAL (
    SELECT count(*) AS pending
    FROM (
        SELECT
        FROM outbox
        WHERE outbox.tenant = asked.tenant
            -- For the index of those that have a name, the only ones with a limit.
            AND outbox.tenant <> ''
        LIMIT asked.most
    ) AS counted
) AS found
