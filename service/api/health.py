"""How the service is doing: for people, for load balancers and for supervisors.

Nothing here waits: probes look at the database and the queue in the background.
"""

from datetime import UTC, datetime
from typing import Protocol

from starlette.types import Receive, Scope, Send

from service.api.answers import send_json
from service.api.problems import unavailable

RETRY_SECONDS = 2


class Probe(Protocol):
    """The last look at something we depend on, at most about a second old."""

    @property
    def connected(self) -> bool:
        """Whether it answered."""
        ...


class ExplainedProbe(Probe, Protocol):
    """A probe that knows why there was no answer."""

    @property
    def reason(self) -> str:
        """Why not, in words for a client; empty where nothing more is known."""
        ...


class Health:
    """What is known right now of the process and what it depends on.

    Attributes:
        draining: the process is about to end and must not get new requests.
    """

    def __init__(self, database: ExplainedProbe, queue: Probe) -> None:
        self._database = database
        self._queue = queue
        self.draining = False

    @property
    def status(self) -> str:
        """`unhealthy` without the database, `degraded` without the queue, else `healthy`."""
        if not self._database.connected:
            return "unhealthy"
        return "healthy" if self._queue.connected else "degraded"

    async def report(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """`GET /health`: always 200, the body says how it is."""
        timestamp = datetime.now(UTC).isoformat(timespec="seconds")[:19]
        await send_json(
            send,
            (
                f'{{"status":"{self.status}",'
                f'"database_status":"{_word(self._database)}",'
                f'"queue_status":"{_word(self._queue)}",'
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
        if not self._database.connected:
            reasons.append(self._database.reason)
        if reasons:
            raise unavailable(
                "not-ready",
                "Not ready",
                "Send requests elsewhere or later: " + "; ".join(reasons) + ".",
                retry_after=RETRY_SECONDS,
                reasons=reasons,
            )
        await send_json(send, b'{"status":"ready"}')


def _word(probe: Probe) -> str:
    return "connected" if probe.connected else "disconnected"
