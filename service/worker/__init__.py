"""The worker: takes tasks from RabbitMQ, claims them in the log, has them run, records what came.

    delivery ─► Intake ─► Claims ─► Runs ─► SimulatorPool
                  ▲         │         │         │
                  └─ demand ┴─ room ──┘ ◄───────┘ outcome ─► event log

This process holds the connections and never simulates: Aer keeps the interpreter busy for a whole
run, and heartbeats would stop.
"""
