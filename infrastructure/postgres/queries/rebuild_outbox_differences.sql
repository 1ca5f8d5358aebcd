-- Tasks whose row in the outbox, or the lack of one, is not what the shadow makes of them; of the
-- given tasks, or of all where none are given.
SELECT coalesce(pending.task_id, outbox.task_id) AS task_id
FROM (
    SELECT task_id, event_id, tenant, turn_of(labels, recorded_at) AS turn_at
    FROM ketlog_rebuild.tasks
    JOIN events USING (task_id, version)
    WHERE current_status = 'pending'
        AND ($1::uuid[] IS NULL OR task_id = ANY ($1))
) AS pending
FULL JOIN (
    SELECT task_id, message_id, tenant, turn_at
    FROM outbox
    WHERE $1::uuid[] IS NULL OR task_id = ANY ($1)
) AS outbox ON outbox.task_id = pending.task_id
WHERE (message_id, outbox.tenant, outbox.turn_at)
    IS DISTINCT FROM (event_id, pending.tenant, pending.turn_at)
