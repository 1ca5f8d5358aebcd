-- Keys cannot be made again: their users would have to be given new ones.
DO $$
BEGIN
    IF EXISTS (SELECT FROM api_keys WHERE revoked_at IS NULL)
        AND coalesce(current_setting('ketlog.force_rollback', true), '') <> 'on'
    THEN
        RAISE EXCEPTION 'there are API keys in use and they would be lost'
            USING HINT = 'Revoke them first, or force the rollback.';
    END IF;
END;
$$;

DROP INDEX outbox_of_tenant;
DROP TABLE tenant_limits;
DROP TABLE api_keys;
