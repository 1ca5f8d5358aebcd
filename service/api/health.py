"""How the service is doing: for people, for load balancers and for supervisors.

Nothing here waits: probes look at the database and the queue in the background.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from starlette.types import Receive, Scope, Send

from service.api.answers import send_json
from service.api.problems import unavailable

RETRY_SECONDS = 2
_READY = {
    "connected": b'{"status":"ready"}',
    "blocked": b'{"status":"ready","reasons":["RabbitMQ lacks memory or disk and takes no messages:'
    b' tasks are accepted and run when it does again"]}',
    "disconnected": b'{"status":"ready","reasons":["RabbitMQ is away:'
    b' tasks are accepted and run when it is back"]}',
}
"""What `/readyz` says while tasks can be stored, by how the queue is."""


class Probe(Protocol):
    """The last look at something we depend on, at most about a second old."""

    @property
    def connected(self) -> bool:
        """Whether it answered."""
        ...


class DatabaseState(Probe, Protocol):
    """What is known of PostgreSQL."""

    @property
    def failing(self) -> bool:
        """Whether it answers and yet cannot store a task."""
        ...

    @property
    def reason(self) -> str:
        """Why it is not connected or failing, in words for a client; else empty."""
        ...


class QueueState(Probe, Protocol):
    """What is known of RabbitMQ."""

    @property
    def blocked(self) -> bool:
        """Whether it answers and yet takes no messages, for want of memory or disk."""
        ...


class Health:
    """What is known right now of the process and what it depends on.

    Attributes:
        draining: the process is about to end and must not get new requests.
    """

    def __init__(self, database: DatabaseState, queue: QueueState) -> None:
        self._database = database
        self._queue = queue
        self.draining = False
        self._on_leave: list[Callable[[], None]] = []

    def on_leave(self, tell: Callable[[], None]) -> None:
        """Have somebody told, in the event loop, when the process takes leave of its clients."""
        self._on_leave.append(tell)

    def leave(self) -> None:
        """Take leave: who waits for something that has not happened is not kept."""
        self.draining = True
        for tell in self._on_leave:
            tell()

    @property
    def status(self) -> str:
        """`unhealthy` if tasks cannot be stored, `degraded` if they cannot be sent on."""
        if self._database_word != "connected":
            return "unhealthy"
        return "healthy" if self._queue_word == "connected" else "degraded"

    async def report(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """`GET /health`: always 200, the body says how it is."""
        timestamp = datetime.now(UTC).isoformat(timespec="seconds")[:19]
        await send_json(
            send,
            (
                f'{{"status":"{self.status}",'
                f'"database_status":"{self._database_word}",'
                f'"queue_status":"{self._queue_word}",'
                f'"timestamp":"{timestamp}Z"}}'
            ).encode("ascii"),
        )

    async def live(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """`GET /livez`: the process turns its loop."""
        await send_json(send, b'{"status":"alive"}')

    async def ready(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """`GET /readyz`: whether requests should be sent here."""
        reasons = []
        if self.draining:
            reasons.append("the process is shutting down")
        if self._database_word != "connected":
            reasons.append(self._database.reason)
        if reasons:
            raise unavailable(
                "not-ready",
                "Not ready",
                "Send requests elsewhere or later: " + "; ".join(reasons) + ".",
                retry_after=RETRY_SECONDS,
                reasons=reasons,
            )
        await send_json(send, _READY[self._queue_word])

    @property
    def _database_word(self) -> str:
        if not self._database.connected:
            return "disconnected"
        return "failing" if self._database.failing else "connected"

    @property
    def _queue_word(self) -> str:
        if not self._queue.connected:
            return "disconnected"
        return "blocked" if self._queue.blocked else "connected"
