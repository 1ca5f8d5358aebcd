-- Some completed tasks at random, as evenly over methods and samplers as there are any. Of a very
-- long log only a random part is looked at, some 200,000 events.
SELECT task_id
FROM (
    SELECT
        task_id,
        row_number() OVER (
            PARTITION BY data -> 'execution' ->> 'method', data -> 'execution' ->> 'sampler'
            ORDER BY random()
        ) AS place
    FROM events TABLESAMPLE SYSTEM ((
        SELECT least(100, 100 * 200000 / greatest(reltuples, 1))
        FROM pg_class
        WHERE oid = 'events'::regclass
    ))
    WHERE type = 'TaskCompleted'
) AS ranked
ORDER BY place, random()
LIMIT $1
