-- depends: 0010_tenants_and_labels

-- The keys of the API, see domain/keys.py. Of a key itself there is only its SHA-256. Rows stay
-- when a key is revoked: events name the key that caused them by its id.
CREATE TABLE api_keys (
    key_id     text        PRIMARY KEY CHECK (key_id ~ '^[a-z2-7]{12}$'),
    digest     bytea       NOT NULL CHECK (length(digest) = 32),
    tenant     text        COLLATE "C" NOT NULL
        CHECK (tenant ~ '^([a-z0-9][a-z0-9._-]{0,62}|[*])?$'),
    name       text        NOT NULL,
    scopes     text[]      NOT NULL
        CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['submit', 'read', 'admin', 'audit']),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    -- A task has one tenant, and * stands for all of them.
    CHECK (tenant <> '*' OR NOT 'submit' = ANY (scopes))
);

COMMENT ON TABLE api_keys IS 'Who may use the API, for which tenant and for what.';

-- What single tenants may use; NULL, or no row, where the setting of the installation holds.
CREATE TABLE tenant_limits (
    tenant              text COLLATE "C" PRIMARY KEY,
    requests_per_second float8  CHECK (requests_per_second >= 0),
    burst               integer CHECK (burst >= 1),
    backlog             integer CHECK (backlog >= 0)
);

COMMENT ON TABLE tenant_limits IS 'Quotas of single tenants.';

-- So that the waiting tasks of one tenant are counted without looking at those of others.
CREATE INDEX outbox_of_tenant ON outbox (tenant) WHERE tenant <> '';

-- Only the owner makes keys: a process that is taken over cannot give itself one.
GRANT SELECT ON api_keys, tenant_limits TO ketlog_app;
