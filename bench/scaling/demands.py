"""What one Bell task costs each part of ketlog, measured on a private stack of its own.

Processor time is read from the kernel, so that other work on the machine hardly changes it. The
processes are warmed up by a load that does not count, and what they use when nothing happens is
taken off.
"""

import http.client
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.check import check_completed
from bench.load import SHOTS, Order, bell_body, run_load
from bench.processor import ProcessorTime
from bench.queries import query
from bench.rows.latency import PER_SECOND
from bench.run import Run
from bench.stack import Process
from bench.submissions import OPEN, UNSEALED, submit, wait_for
from infrastructure.local.ports import LOOPBACK
from infrastructure.local.process import descendants

TASKS = 3_000
PACED = 100
CONNECTIONS = 32
IDLE_SECONDS = 5.0
STATISTICS_SECONDS = 1.5
"""PostgreSQL's backends report their numbers at most once a second."""
COMMITS = 200
HARDLY_EVER = "3600"


@dataclass(frozen=True, slots=True)
class Demands:
    """What one task costs; milliseconds of processor time unless said otherwise.

    Attributes:
        client: the load client that posts it.
        api: the API.
        relay: relay, sealing included.
        worker: the worker's own process.
        simulators: the processes that run circuits.
        postgresql_submit: PostgreSQL for the submission.
        postgresql_run: PostgreSQL for all that follows.
        rabbitmq: RabbitMQ.
        alone: all of them for a task that comes alone, at ten a second, without the client and
            without sealing, for which no result waits.
        commit_ms: a commit of one small row, wall clock.
        commits: transactions of a task, under load.
        wal_bytes: written ahead, under load.
        stored_bytes: that tables and indexes grow by.
        event_bytes: of its events, without payloads and indexes.
        rabbitmq_bytes: that the broker writes to its disk.
        sealed_per_second: events that one relay seals in a second when it has little else to do.
    """

    client: float
    api: float
    relay: float
    worker: float
    simulators: float
    postgresql_submit: float
    postgresql_run: float
    rabbitmq: float
    alone: float
    commit_ms: float
    commits: float
    wal_bytes: float
    stored_bytes: float
    event_bytes: float
    rabbitmq_bytes: float
    sealed_per_second: float

    @property
    def postgresql(self) -> float:
        """PostgreSQL in all."""
        return self.postgresql_submit + self.postgresql_run

    @property
    def whole(self) -> float:
        """Everything but the client."""
        return (
            self.api + self.relay + self.worker + self.simulators + self.postgresql + self.rabbitmq
        )


def measure(run: Run) -> Demands:
    """Run the stack part by part; about a minute."""
    return _Measurement(run).measure()


class _Measurement:
    """One installation and what was sent to it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tasks = run.size(TASKS)
        self._installation = run.servers.installation()
        self._dsn = self._installation.dsn
        self._accepted = 0
        self._processes: dict[str, Process] = {}

    def measure(self) -> Demands:
        with ExitStack() as stack:
            self._processes["api"] = stack.enter_context(self._installation.api())
            self._post(self._tasks // 10)
            client, submitted = self._submitted_alone()
            sealed_per_second = self._sealed()
            grown: dict[str, float] = {}
            with self._relay():
                self._processes["worker"] = stack.enter_context(self._installation.worker())
                self._settle()
                whole = self._used(self._end_to_end, self._tasks, grown)
                self._say("end to end", whole)
            with self._relay(SEAL_SECONDS=HARDLY_EVER):
                alone = self._used(self._one_by_one, self._run.size(PACED), {})
                self._say("one by one", alone)
        check_completed(self._dsn, self._accepted, SHOTS)
        return Demands(
            client=client,
            api=whole["api"],
            relay=whole["relay"],
            worker=whole["worker"],
            simulators=whole["simulators"],
            postgresql_submit=submitted["postgresql"],
            postgresql_run=max(0.0, whole["postgresql"] - submitted["postgresql"]),
            rabbitmq=whole["rabbitmq"],
            alone=sum(alone.values()),
            commit_ms=_commit_ms(self._dsn),
            sealed_per_second=sealed_per_second,
            **grown,
        )

    @contextmanager
    def _relay(self, **settings: str) -> Iterator[None]:
        with self._installation.relay(**settings) as relay:
            self._processes["relay"] = relay
            yield

    def _post(self, count: int) -> None:
        port = self._processes["api"].port
        order = Order(port, 120, count=count, first=self._accepted, connections=CONNECTIONS)
        seen = run_load(order)
        assert seen.answers == count, f"{seen.answers} of {count} submissions were answered"
        self._accepted += count

    def _submitted_alone(self) -> tuple[float, dict[str, float]]:
        """Submit without relay and worker; returns the client's time, and that of the others."""
        began = _children_seconds()
        self._post(1)
        start = _children_seconds() - began
        used = ProcessorTime(self._run.servers, self._processes)
        began = _children_seconds()
        self._post(self._tasks)
        client = 1000 * (_children_seconds() - began - start) / self._tasks
        found = _plain(used.per(self._tasks))
        self._say("submitted alone", found | {"client": client})
        return client, found

    def _sealed(self) -> float:
        """Let a relay seal a log that was written while none ran; returns events a second."""
        servers = self._run.servers
        installation = servers.installation()
        events = 4 * self._tasks
        submit(installation.dsn, range(events))
        looks: list[tuple[float, int]] = []
        settings = {"DISPATCH_WINDOW": "64"}
        with servers.process(
            f"{installation.name}-relay", "relay", installation.environment(**settings)
        ):
            wait_for(
                installation.dsn,
                UNSEALED,
                what="the sealer",
                interval=0.01,
                progress=lambda left: looks.append((time.perf_counter(), left)),
            )
        (began, first), *_, (ended, _) = (look for look in looks if look[1] < events)
        return first / (ended - began)

    def _end_to_end(self, count: int, grown: dict[str, float]) -> None:
        """Submit and complete; fills in what was written for each task."""
        broker = self._run.servers.rabbitmq_pid
        before, written = _counters(self._dsn), _written(broker)
        self._post(count)
        self._settle()
        time.sleep(STATISTICS_SECONDS)
        after = _counters(self._dsn)
        grown |= {name: (after[name] - before[name]) / count for name in after}
        grown["rabbitmq_bytes"] = (_written(broker) - written) / count

    def _one_by_one(self, count: int, _grown: dict[str, float]) -> None:
        """Post tasks at a steady pace and look at none of them."""
        connection = http.client.HTTPConnection(LOOPBACK, self._processes["api"].port, timeout=30)
        begin = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, begin + number / PER_SECOND - time.perf_counter()))
            body = bell_body(self._accepted)
            connection.request("POST", "/tasks", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 202, (answer.status, answer.read())
            answer.read()
            self._accepted += 1
        connection.close()
        wait_for(self._dsn, OPEN, what="the worker", interval=0.1)

    def _settle(self) -> None:
        """Wait until every task is done and sealed."""
        wait_for(self._dsn, OPEN, what="the worker", interval=0.1)
        wait_for(self._dsn, UNSEALED, what="the sealer")

    def _used(
        self,
        load: Callable[[int, dict[str, float]], None],
        count: int,
        grown: dict[str, float],
    ) -> dict[str, float]:
        """Return the milliseconds of each process for each task, above those of idling."""
        idle = ProcessorTime(self._run.servers, self._processes)
        time.sleep(IDLE_SECONDS)
        idling = _plain(idle.per(1))
        used = ProcessorTime(self._run.servers, self._processes)
        began = time.perf_counter()
        load(count, grown)
        share = (time.perf_counter() - began) / IDLE_SECONDS / count
        found = _plain(used.per(count))
        return {name: max(0.0, found[name] - idling[name] * share) for name in found}

    def _say(self, what: str, found: Mapping[str, float]) -> None:
        shown = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        self._run.say(f"{what}: {shown} ms a task")


def _plain(found: Mapping[str, float]) -> dict[str, float]:
    return {name.removesuffix("_cpu_ms"): value for name, value in found.items()}


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _counters(dsn: str) -> dict[str, float]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query("written").encode()).fetchone()
    assert row is not None
    names = ("commits", "wal_bytes", "stored_bytes", "event_bytes")
    return dict(zip(names, map(float, row), strict=True))


def _written(pid: int) -> float:
    """Return the bytes that a process and its children have written to disks."""
    written = 0
    for one in (pid, *descendants(pid)):
        for line in Path(f"/proc/{one}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                written += int(line.split()[1])
    return float(written)


def _commit_ms(dsn: str) -> float:
    """Return the median time of a commit of one row, alone."""
    times = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE commits (number int)")
        for number in range(COMMITS):
            began = time.perf_counter()
            connection.execute("INSERT INTO commits VALUES (%s)", (number,))
            times.append(1000 * (time.perf_counter() - began))
        connection.execute("DROP TABLE commits")
    return statistics.median(times)
