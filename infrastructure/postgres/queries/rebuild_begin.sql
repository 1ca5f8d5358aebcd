-- Makes the shadow of `tasks`: the same columns, checks, options, comment and rights, no rows and
-- no indexes yet. `progress` says how far it is filled, and from where in the log on it has to be
-- caught up: whatever older transactions wrote is seen by everyone who reads from now on.
CREATE SCHEMA ketlog_rebuild;

CREATE TABLE ketlog_rebuild.tasks (LIKE public.tasks INCLUDING ALL EXCLUDING INDEXES);

CREATE TABLE ketlog_rebuild.progress (
    made_by   text   NOT NULL,
    next_task uuid   NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    is_filled bool   NOT NULL DEFAULT false,
    xid       xid8   NOT NULL DEFAULT pg_snapshot_xmin(pg_current_snapshot()),
    position  bigint NOT NULL DEFAULT 0
);

DO $$
DECLARE
    live   constant regclass := 'public.tasks';
    shadow constant regclass := 'ketlog_rebuild.tasks';
    item   record;
BEGIN
    FOR item IN SELECT unnest(reloptions) AS setting FROM pg_class WHERE oid = live LOOP
        EXECUTE format('ALTER TABLE %s SET (%s)', shadow, item.setting);
    END LOOP;
    FOR item IN
        SELECT
            privilege_type AS privilege,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option
        FROM pg_class, aclexplode(relacl)
        WHERE oid = live
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', item.privilege, shadow, item.role, item.option);
    END LOOP;
    EXECUTE format('COMMENT ON TABLE %s IS %L', shadow, obj_description(live, 'pg_class'));
    EXECUTE format(
        'ALTER TABLE %s OWNER TO %s',
        shadow, (SELECT relowner::regrole FROM pg_class WHERE oid = live)
    );
END;
$$;
