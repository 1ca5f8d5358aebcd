"""`submit`: `POST /tasks` of the API, durable, beside a bare endpoint that stores nothing.

Both run as one process with the same uvicorn flags and validate the same body with the same model.
They take turns under the same closed loop of 32 connections.
"""

from bench.check import check_submitted
from bench.figures import Figure, at_least
from bench.load import Order, run_load
from bench.run import Run

CONNECTIONS = 32


def measure(run: Run) -> list[Figure]:
    """Submit without any relay or worker: what is accepted stays in the outbox."""
    installation = run.servers.installation(broker=False)
    rates: dict[str, list[float]] = {"bare": [], "ketlog": []}
    accepted = 0
    slowest = []
    with installation.api("bench.bare") as bare, installation.api() as ours:
        servers = {"bare": bare, "ketlog": ours}
        for number in range(run.rounds + 1):
            for name, process in servers.items():
                seconds = run.seconds if number else run.warm_up_seconds
                seen = run_load(Order(process.port, seconds, first=accepted))
                accepted += seen.answers if name == "ketlog" else 0
                if not number:
                    continue
                rates[name].append(seen.per_second)
                if name == "ketlog":
                    slowest.append(seen.p99_ms)
                run.say(
                    f"round {number} {name:6} {seen.per_second:7.0f}/s p99 {seen.p99_ms:.1f} ms"
                )
    check_submitted(installation.dsn, accepted)
    return [
        at_least(
            "submit",
            f"POST /tasks, {CONNECTIONS} connections",
            "/s",
            rates["ketlog"],
            rates["bare"],
            goal=0.25,
            stretch=0.40,
            accepted=accepted,
            worst_p99_ms=max(slowest),
        )
    ]
