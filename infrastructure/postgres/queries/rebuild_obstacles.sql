-- What holds on to the table `tasks` itself, not to its name, and would stay with the old one.
SELECT DISTINCT coalesce(rule.ev_class::regclass::text, pg_describe_object(classid, objid, 0))
FROM pg_depend
LEFT JOIN pg_rewrite AS rule ON classid = 'pg_rewrite'::regclass AND objid = rule.oid
WHERE refclassid = 'pg_class'::regclass
    AND refobjid = 'public.tasks'::regclass
    AND deptype = 'n'
    AND classid <> 'pg_class'::regclass
    AND NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE classid = 'pg_constraint'::regclass
            AND objid = pg_constraint.oid
            AND conrelid = 'public.tasks'::regclass
    )
