-- How far a rebuild is that was begun before, if its shadow still has the form of `tasks`.
SELECT made_by, next_task, is_filled, xid::text::bigint AS xid, position
FROM ketlog_rebuild.progress
WHERE NOT EXISTS (
    (
        SELECT attname, atttypid, attnotnull FROM pg_attribute
        WHERE attrelid = 'public.tasks'::regclass AND attnum > 0 AND NOT attisdropped
        EXCEPT
        SELECT attname, atttypid, attnotnull FROM pg_attribute
        WHERE attrelid = 'ketlog_rebuild.tasks'::regclass
    )
    UNION ALL
    (
        SELECT attname, atttypid, attnotnull FROM pg_attribute
        WHERE attrelid = 'ketlog_rebuild.tasks'::regclass AND attnum > 0
        EXCEPT
        SELECT attname, atttypid, attnotnull FROM pg_attribute
        WHERE attrelid = 'public.tasks'::regclass
    )
)
