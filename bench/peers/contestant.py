"""What is compared: a system with two workers, on a database and a vhost of its own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psycopg

from bench.peers.workers import Worker
from bench.processor import tree_seconds
from bench.stack import Servers

WORKERS = 2
LANES = 32


@dataclass(frozen=True, slots=True)
class Submission:
    """What it took to submit some tasks.

    Attributes:
        per_second: tasks that were safe, a second.
        client_seconds: processor time of the client where it is the system's own library.
    """

    per_second: float
    client_seconds: float


class Contestant(ABC):
    """A system under the same load as the others.

    Attributes:
        name: as in `--systems`.
        title: for the table.
        accepted: tasks that it has taken.
        workers: its two worker processes.
    """

    def __init__(self, servers: Servers, name: str, title: str, dsn: str) -> None:
        self.servers = servers
        self.name = name
        self.title = title
        self.dsn = dsn
        self.accepted = 0
        self.workers: Sequence[Worker] = ()

    @abstractmethod
    def running(self) -> AbstractContextManager[None]:
        """Run all but the workers."""

    @abstractmethod
    def submit(self, count: int) -> Submission:
        """Submit so many Bell pairs over 32 lanes; each is safe when the next one begins."""

    @abstractmethod
    def latencies(self, count: int, per_second: float) -> list[float]:
        """Return milliseconds from submission to visible result, at a steady pace."""

    @abstractmethod
    def completed(self, connection: psycopg.Connection) -> int:
        """Return how many tasks have a result."""

    @abstractmethod
    def unfinished(self, connection: psycopg.Connection) -> int:
        """Return how many tasks the system still has in hand, done or not."""

    @abstractmethod
    def stored(self, connection: psycopg.Connection) -> int:
        """Return how many results were stored; more than are completed if some twice."""

    @abstractmethod
    def check(self) -> None:
        """Check that every accepted task has one right result."""

    def processor(self) -> Mapping[str, float]:
        """Return the processor seconds of each part so far."""
        return {
            "workers": sum(worker.seconds for worker in self.workers),
            "postgresql": tree_seconds(self.servers.postgres_pid),
        }

    def count_stores(self) -> None:  # noqa: B027 - most stores never overwrite
        """From now on, see every store of a result, of those that are overwritten too."""

    def start_workers(self) -> None:
        """Start both."""
        for worker in self.workers:
            worker.start()

    def pause_workers(self) -> None:
        """Freeze both."""
        for worker in self.workers:
            worker.pause()

    def resume_workers(self) -> None:
        """Let both go on."""
        for worker in self.workers:
            worker.resume()

    def stop_workers(self) -> None:
        """Stop both."""
        for worker in self.workers:
            worker.stop()

    def said(self) -> str:
        """Return the last lines that the workers have written."""
        lines = []
        for worker in self.workers:
            if worker.log.exists():
                lines += worker.log.read_text(errors="replace").splitlines()[-6:]
        return "\n".join(lines)
