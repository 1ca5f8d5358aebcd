"""A compared system as a contestant: its client and its workers run in `.venv-peers`."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench.check import check_bell
from bench.load import SHOTS
from bench.machine import CHECKOUT, bare_environment
from bench.peers.catalogue import Peer
from bench.peers.contestant import LANES, WORKERS, Contestant, Submission
from bench.peers.workers import Worker
from bench.processor import tree_seconds
from bench.stack import Servers
from bench.submissions import ask

CLIENT_SECONDS = 240.0


class PeerContestant(Contestant):
    """One of the compared systems on a database and a vhost of its own."""

    def __init__(
        self, servers: Servers, peer: Peer, python: Path, place: str, *, own_engine: bool
    ) -> None:
        """Make the place and the system's tables.

        Args:
            servers: the run's servers.
            peer: which system.
            python: interpreter of `.venv-peers`.
            place: name of the database and of the vhost.
            own_engine: whether its task runs Qiskit as a user would, not ketlog's engine.
        """
        servers.postgres.ensure_database(place)
        super().__init__(servers, peer.name, peer.title, servers.postgres.dsn(place))
        self._peer = peer
        self._python = python
        self._place = place
        self._environment = {
            "DATABASE_URL": self.dsn,
            "RABBITMQ_URL": servers.vhost(place),
            "PROCRASTINATE_VERBOSE": "0",
            "PGDSN": self.dsn,
            "BENCH_ENGINE": "qiskit" if own_engine else "ketlog",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(CHECKOUT),
        }
        for command in peer.installs:
            self._run(self._program(*command))
        self._client({"do": "install"})
        self.workers = [
            Worker(
                self._program(*(part.replace("{worker}", f"w{number}") for part in peer.worker)),
                self._environment,
                servers.folder / f"{place}-worker-{number}.log",
                servers.guardian,
            )
            for number in range(WORKERS)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Nothing but the workers: the client talks to the servers."""
        yield

    def submit(self, count: int) -> Submission:
        """Submit by the system's own client."""
        seen = self._client(
            {"do": "submit", "first": self.accepted, "count": count, "lanes": LANES}
        )
        self.accepted += count
        return Submission(seen["timed"] / seen["seconds"], seen["cpu_seconds"])

    def latencies(self, count: int, per_second: float) -> list[float]:
        """Submit by the system's own client and look into PostgreSQL."""
        order = {"do": "latency", "first": self.accepted, "count": count, "per_second": per_second}
        seen: list[float] = self._client(order)
        self.accepted += count
        return seen

    def completed(self, connection: psycopg.Connection) -> int:
        """Count tasks with a result."""
        return ask(connection, self._peer.completed)

    def unfinished(self, connection: psycopg.Connection) -> int:
        """Count what is queued or in hand."""
        if self._peer.open:
            return ask(connection, self._peer.open)
        queue = self.servers.manage("GET", f"/api/queues/{self._place}/{self._peer.queue}")
        return int(queue.get("messages", self.accepted))

    def stored(self, connection: psycopg.Connection) -> int:
        """Count what was stored."""
        return ask(connection, self._peer.stored)

    def count_stores(self) -> None:
        """From now on, let each store of a result leave a row."""
        if self._peer.count_stores:
            with psycopg.connect(self.dsn) as connection:
                connection.execute(self._peer.count_stores.encode())

    def check(self) -> None:
        """Read every result."""
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute(self._peer.results.encode()).fetchall()
        numbers = {number for number, _ in rows}
        assert numbers == set(range(self.accepted)), (
            f"{len(numbers)} of {self.accepted} accepted tasks have a result"
        )
        assert len(rows) == self.accepted, f"{len(rows)} results of {self.accepted} tasks"
        for _, result in rows:
            check_bell(dict(self._peer.read(result)), SHOTS)

    def processor(self) -> Mapping[str, float]:
        """Add RabbitMQ where the system uses it."""
        seconds = dict(super().processor())
        if self._peer.queue:
            seconds["rabbitmq"] = tree_seconds(self.servers.rabbitmq_pid)
        return seconds

    def _client(self, order: Mapping[str, object]) -> Any:
        module = ["-m", "bench.peers.systems.client", self.name]
        return json.loads(self._run([str(self._python), *module], json.dumps(order)))

    def _program(self, name: str, *arguments: str) -> list[str]:
        return [str(self._python.with_name(name)), *arguments]

    def _run(self, command: list[str], text: str = "") -> str:
        done = subprocess.run(
            command,
            input=text,
            check=False,
            cwd=CHECKOUT,
            env=bare_environment(self._environment),
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
        )
        assert done.returncode == 0, f"{command[0]} {command[-1]}: {done.stderr[-1500:]}"
        return done.stdout
