"""What a worker knows at any moment, for those who watch it."""

from collections.abc import Callable
from dataclasses import asdict

from infrastructure.postgres.connect import Database
from infrastructure.quantum.pool import SimulatorPool
from infrastructure.telemetry import metrics
from infrastructure.telemetry.metrics import Reading, Value
from service.worker.counters import Counters
from service.worker.ports import DeliverySource
from service.worker.runs import Runs


def watch(
    counters: Counters, runs: Runs, pool: SimulatorPool, source: DeliverySource, database: Database
) -> None:
    """Show what a worker has done and has in hand."""

    def counter(
        name: str, documentation: str, read: Callable[[], Value], label: str = ""
    ) -> Reading:
        return Reading("counter", f"ketlog_worker_{name}", documentation, read, label)

    def gauge(name: str, documentation: str, read: Callable[[], Value], label: str = "") -> Reading:
        return Reading("gauge", f"ketlog_worker_{name}", documentation, read, label)

    metrics.register(
        counter("attempts", "Attempts begun: tasks claimed.", lambda: counters.claimed),
        counter(
            "messages",
            "Messages that led to no claim: dropped because the task was not pending or another "
            "worker was quicker (claim conflicts and redeliveries), unreadable ones sent to the "
            "dead-letter queue, and those given back unclaimed.",
            lambda: {
                "dropped": counters.dropped,
                "unreadable": counters.unreadable,
                "given_back": counters.given_back,
            },
            "fate",
        ),
        counter("outcomes", "Attempts ended, by how.", lambda: _outcomes(counters), "outcome"),
        counter(
            "simulators_ended",
            "Simulator processes replaced: killed by a time limit or a cancellation, died by "
            "themselves, or recycled because they kept too much memory.",
            lambda: {
                reason: count
                for reason, count in asdict(pool.statistics).items()
                if reason != "finished"
            },
            "reason",
        ),
        gauge("slots", "Circuits that can run at once.", lambda: pool.slots),
        gauge("slots_busy", "Circuits that run.", lambda: pool.busy),
        gauge("tasks_held", "Tasks claimed and not ended in the log.", lambda: len(runs.held)),
        gauge("tasks_waiting", "Tasks claimed that have not begun.", lambda: runs.waiting),
        Reading(
            "gauge",
            "ketlog_dependency_up",
            "1 while the server answers.",
            lambda: {"rabbitmq": float(source.connected)},
            "dependency",
        ),
        Reading(
            "gauge",
            "ketlog_database_pool_connections",
            "Connections of the pool.",
            lambda: database.connections,
            "state",
        ),
    )


def _outcomes(counters: Counters) -> dict[str, float]:
    return {
        "completed": counters.completed,
        "failed": counters.failed,
        "requeued": counters.requeued - counters.handed_back,
        "handed_back": counters.handed_back,
        "stale": counters.stale,
        "lost": counters.lost,
    }
