-- Gives the filled shadow the keys and indexes of `tasks`, under the same names, and statistics.
DO $$
DECLARE
    live constant regclass := 'public.tasks';
    item record;
BEGIN
    FOR item IN
        SELECT conname, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE conrelid = live AND contype IN ('p', 'u', 'x')
    LOOP
        EXECUTE format(
            'ALTER TABLE ketlog_rebuild.tasks ADD CONSTRAINT %I %s', item.conname, item.definition
        );
    END LOOP;
    FOR item IN
        SELECT pg_get_indexdef(indexrelid) AS definition
        FROM pg_index
        WHERE indrelid = live
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    LOOP
        EXECUTE replace(item.definition, ' ON public.tasks ', ' ON ketlog_rebuild.tasks ');
    END LOOP;
END;
$$;

ANALYZE ketlog_rebuild.tasks;

UPDATE ketlog_rebuild.progress SET is_filled = true;
