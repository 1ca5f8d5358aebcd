"""The model: stations that share cores, each with a demand; what follows from it.

A station is a part that takes some processor time for each task. How many tasks a second a set of
stations can do is bounded twice: by the cores that they share, and by the one core that a single
process can use at most. The rest of the system is taken to scale with what is added, up to limits
that are named with what removes them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.scaling.demands import Demands

UTILISATION = 0.6
"""Share of a core or a disk that is planned with, so that queues stay short."""
COMMITS_BEFORE_RESULT = 3
"""Of a task alone, one after another: submission, claim, completion."""
EVENTS_OF_A_TASK = 3


@dataclass(frozen=True, slots=True)
class Bound:
    """A highest rate.

    Attributes:
        per_second: tasks a second.
        by: what bounds it.
    """

    per_second: float
    by: str


@dataclass(frozen=True, slots=True)
class Limit:
    """Where one way to run ketlog ends.

    Attributes:
        what: what is full then.
        per_second: tasks a second, at the planned utilisation.
        then: what is turned on.
        code: whether that needs new code, or only settings and servers.
    """

    what: str
    per_second: float
    then: str
    code: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """What is assumed of servers that are bought.

    Attributes:
        database_cores: of the largest PostgreSQL server.
        wal_bytes_per_second: that its disk takes.
        queue_per_second: persistent, confirmed messages that one quorum queue takes.
    """

    database_cores: int = 64
    wal_bytes_per_second: float = 1e9
    queue_per_second: float = 20_000.0


def bounded(cores: int, shared: Sequence[float], processes: dict[str, float]) -> Bound:
    """Return the rate of stations on one machine.

    Args:
        cores: of the machine.
        shared: milliseconds a task of everything that runs there.
        processes: milliseconds a task of each single process among them, by name.
    """
    bounds = [Bound(1000 * cores / sum(shared), f"{cores} cores")]
    bounds += [
        Bound(1000 / demand, f"one {name}") for name, demand in processes.items() if demand > 0
    ]
    return min(bounds, key=lambda bound: bound.per_second)


def submit_rate(demands: Demands, cores: int) -> Bound:
    """Submissions a second of one API, the client on the same machine."""
    shared = [demands.client, demands.api, demands.postgresql_submit]
    return bounded(cores, shared, {"API process": demands.api, "client": demands.client})


def drain_rate(demands: Demands, cores: int, slots: int) -> Bound:
    """Tasks a second from a backlog by one worker, everything on one machine."""
    shared = [
        demands.relay,
        demands.worker,
        demands.simulators,
        demands.postgresql_run,
        demands.rabbitmq,
    ]
    return bounded(
        cores,
        shared,
        {
            "relay": demands.relay,
            "worker process": demands.worker,
            "slot" if slots == 1 else f"worker of {slots} slots": demands.simulators / slots,
        },
    )


def end_to_end_rate(demands: Demands, cores: int) -> Bound:
    """Tasks a second from POST to completed, client included, everything on one machine."""
    return bounded(
        cores,
        [demands.client, demands.whole],
        {"API process": demands.api, "relay": demands.relay, "worker process": demands.worker},
    )


def latency_ms(demands: Demands) -> float:
    """Milliseconds of a task alone: all that is done for it, one after another, and the commits."""
    return demands.alone + COMMITS_BEFORE_RESULT * demands.commit_ms


def limits(demands: Demands, machine: Machine, cores: int) -> list[Limit]:
    """Return what ends one after another, the first first."""
    plan = 1000 * UTILISATION
    relay = min(plan / demands.relay, UTILISATION * demands.sealed_per_second / EVENTS_OF_A_TASK)
    primary = min(
        plan * machine.database_cores / demands.postgresql,
        UTILISATION * machine.wal_bytes_per_second / demands.wal_bytes,
    )
    found = [
        Limit(
            f"one machine of {cores} cores",
            plan * cores / demands.whole,
            "servers of their own for PostgreSQL and RabbitMQ, more workers (`WORKERS`, replicas)",
            code=False,
        ),
        Limit(
            "one API process",
            plan / demands.api,
            "`API_PROCESSES`, and replicas behind a load balancer",
            code=False,
        ),
        Limit(
            "one worker process",
            plan / demands.worker,
            "more workers; any number may run",
            code=False,
        ),
        Limit(
            "the relay that leads (it dispatches and seals alone)",
            relay,
            "several relays, each leading one share of the outbox and one tree of the log",
            code=True,
        ),
        Limit(
            "one quorum queue",
            UTILISATION * machine.queue_per_second,
            "a RabbitMQ cluster with a queue for each share, its leaders spread over the nodes",
            code=True,
        ),
        Limit(
            f"one PostgreSQL primary of {machine.database_cores} cores",
            primary,
            "several logs, each task in one of them by hash: Citus by task id, or installations",
            code=True,
        ),
    ]
    return sorted(found, key=lambda limit: limit.per_second)


def cores_for(milliseconds: float, per_second: float) -> int:
    """Return the cores that a demand needs at a rate, at the planned utilisation."""
    return math.ceil(per_second * milliseconds / 1000 / UTILISATION)
