"""What a worker knows at any moment, for those who watch it."""

from collections.abc import Callable
from dataclasses import asdict

from infrastructure.postgres.connect import Database
from infrastructure.quantum.pool import SimulatorPool
from infrastructure.telemetry import metrics
from infrastructure.telemetry.metrics import Reading, Value
from service.worker.counters import Counters
from service.worker.ports import DeliverySource
from service.worker.worker import Worker


def watch(worker: Worker, pool: SimulatorPool, source: DeliverySource, database: Database) -> None:
    """Show what a worker has done and has in hand."""
    metrics.register(
        *_of_tasks(worker), *_of_simulators(pool), *_of_dependencies(worker, source, database)
    )


def _of_tasks(worker: Worker) -> list[Reading]:
    counters, runs = worker.counters, worker.runs
    return [
        _counter("attempts", "Attempts begun: tasks claimed.", lambda: counters.claimed),
        _counter(
            "messages",
            "Messages that led to no claim, by what became of them: dropped because of a claim "
            "conflict or because their task was claimed already, had ended, is unknown or was "
            "taken back by the broker; dead-lettered as unreadable; given back to the queue.",
            lambda: _fates(counters),
            "fate",
        ),
        _counter(
            "messages_redelivered",
            "Messages that the broker had handed out before.",
            lambda: counters.redelivered,
        ),
        _counter("outcomes", "Attempts ended, by how.", lambda: _outcomes(counters), "outcome"),
        _gauge("tasks_held", "Tasks claimed and not ended in the log.", lambda: len(runs.held)),
        _gauge("tasks_waiting", "Tasks claimed that have not begun.", lambda: runs.waiting),
    ]


def _of_simulators(pool: SimulatorPool) -> list[Reading]:
    return [
        _gauge("slots", "Circuits that can run at once.", lambda: pool.slots),
        _gauge("slots_busy", "Circuits that run.", lambda: pool.busy),
        _gauge(
            "spares_ready",
            "Simulators that are warm and wait for a slot whose run was stopped.",
            lambda: pool.spares_ready,
        ),
        _counter(
            "simulators_started",
            "Simulator processes started, those at the beginning included.",
            lambda: pool.simulators_started,
        ),
        _counter(
            "simulators_ended",
            "Simulator processes that came to an end: killed by a time limit, by a cancellation "
            "or by the limits of one run (overruns), died by themselves (deaths), or recycled "
            "because they kept too much memory.",
            lambda: {
                reason: count
                for reason, count in asdict(pool.statistics).items()
                if reason != "finished"
            },
            "reason",
        ),
    ]


def _of_dependencies(worker: Worker, source: DeliverySource, database: Database) -> list[Reading]:
    return [
        Reading(
            "gauge",
            "ketlog_dependency_up",
            "1 while the server answers.",
            lambda: {
                "postgresql": float(worker.database_answers),
                "rabbitmq": float(source.connected),
            },
            "dependency",
        ),
        Reading(
            "gauge",
            "ketlog_database_pool_connections",
            "Connections of the pool.",
            lambda: database.connections,
            "state",
        ),
    ]


def _counter(name: str, documentation: str, read: Callable[[], Value], label: str = "") -> Reading:
    return Reading("counter", f"ketlog_worker_{name}", documentation, read, label)


def _gauge(name: str, documentation: str, read: Callable[[], Value]) -> Reading:
    return Reading("gauge", f"ketlog_worker_{name}", documentation, read)


def _fates(counters: Counters) -> dict[str, float]:
    return {
        **{str(why): count for why, count in counters.dropped_because.items()},
        "unreadable": counters.unreadable,
        "given_back": counters.given_back,
    }


def _outcomes(counters: Counters) -> dict[str, float]:
    return {
        "completed": counters.completed,
        "failed": counters.failed,
        "requeued": counters.requeued - counters.handed_back,
        "handed_back": counters.handed_back,
        "stale": counters.stale,
        "lost": counters.lost,
        "cancelled": counters.cancelled,
    }
