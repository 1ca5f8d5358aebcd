-- What the planner should know of tables that were empty a moment ago.
ANALYZE events, payloads, leaves, checkpoints, tasks, outbox, leases
