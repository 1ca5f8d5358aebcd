"""ketlog as a contestant: one API, one relay, two workers with one slot each."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import psycopg

from bench.check import check_completed
from bench.latency_probe import latencies
from bench.load import SHOTS, Order, run_load
from bench.peers.contestant import LANES, WORKERS, Contestant, Submission
from bench.peers.workers import Worker
from bench.processor import tree_seconds
from bench.stack import Process, Servers
from bench.submissions import OPEN, ask

COMPLETED = "SELECT count(*) FROM tasks WHERE current_status = 'completed'"
STORED = "SELECT count(*) FROM events WHERE type = 'TaskCompleted'"
SUBMIT_SECONDS = 240.0


class KetlogContestant(Contestant):
    """ketlog as `make up WORKERS=2` runs it, with one slot a worker like the others."""

    def __init__(self, servers: Servers) -> None:
        self._installation = servers.installation()
        super().__init__(servers, "ketlog", "ketlog", self._installation.dsn)
        self._beside: dict[str, Process] = {}
        name = self._installation.name
        self.workers = [
            Worker(
                [sys.executable, "-m", "service.worker"],
                self._installation.environment(
                    WORKER_ID=f"worker-{number}",
                    WORKER_SLOTS="1",
                    HEARTBEAT_FILE=str(servers.folder / f"{name}-worker-{number}.heartbeat"),
                ),
                servers.folder / f"{name}-worker-{number}.log",
                servers.guardian,
            )
            for number in range(WORKERS)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the API and the relay."""
        with ExitStack() as stack:
            self._beside = {
                "api": stack.enter_context(self._installation.api()),
                "relay": stack.enter_context(self._installation.relay()),
            }
            yield

    def submit(self, count: int) -> Submission:
        """Submit over HTTP."""
        port = self._beside["api"].port
        seen = run_load(
            Order(port, SUBMIT_SECONDS, count=count, first=self.accepted, connections=LANES)
        )
        assert seen.answers == count, f"{seen.answers} of {count} submissions were answered"
        self.accepted += count
        return Submission(seen.per_second, 0.0)

    def latencies(self, count: int, per_second: float) -> list[float]:
        """Submit and look over HTTP."""
        seen = latencies(self._beside["api"].port, count, per_second, first=self.accepted)
        self.accepted += count
        return seen

    def completed(self, connection: psycopg.Connection) -> int:
        """Count completed tasks."""
        return ask(connection, COMPLETED)

    def unfinished(self, connection: psycopg.Connection) -> int:
        """Count what waits or is leased."""
        return ask(connection, OPEN)

    def stored(self, connection: psycopg.Connection) -> int:
        """Count completions in the log."""
        return ask(connection, STORED)

    def check(self) -> None:
        """Hold log, statuses and results against what was accepted."""
        check_completed(self.dsn, self.accepted, SHOTS)

    def processor(self) -> Mapping[str, float]:
        """Add the API, the relay and RabbitMQ."""
        return {
            **super().processor(),
            **{name: tree_seconds(process.pid) for name, process in self._beside.items()},
            "rabbitmq": tree_seconds(self.servers.rabbitmq_pid),
        }
