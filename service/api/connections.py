"""The connections of this process: how many there may be, and how long slow ones are waited for.

A connection that is one too many is not closed in silence: it may send its request and is told to
come back (503). Who was refused something leaves in peace: its answer is sent, what it still sends
is dropped, and it is cut off a second later, because a connection that is closed with bytes unread
takes its last answer with it.

Nothing here is done for each request: once a second, `sweep` looks at all connections.
"""

from typing import Final, Protocol

import structlog

from infrastructure.telemetry import metrics

READ_SECONDS: Final = 10.0
"""A request's head has to arrive within this time."""
IDLE_SECONDS: Final = 30.0
"""So long a connection is kept open between two requests."""
PRESSED_SECONDS: Final = 1.0
"""So long instead of both while others find no place."""
LEAVING_SECONDS: Final = 1.0
MOST_LEAVING: Final = 256
STALLED_SECONDS: Final = 20.0
"""A client that takes nothing of its answer for so long is cut off."""
MOST_UNSENT_BYTES: Final = 64 * 1024 * 1024
"""Of all answers that clients do not take; who has taken nothing for longest goes first."""

_log = structlog.get_logger(__name__)


class Connection(Protocol):
    """What is asked of a connection here."""

    @property
    def head_since(self) -> float | None:
        """Since when a request's head is awaited; `None` while none is."""

    @property
    def idle_since(self) -> float | None:
        """Since when it has been kept open after an answer; `None` while there is work."""

    @property
    def unsent(self) -> int:
        """Bytes of answers that the client has not taken yet."""

    def time_out(self) -> None:
        """End it: its request does not come."""

    def close(self) -> None:
        """End it, with what is on its way to the client."""

    def cut(self) -> None:
        """End it at once."""


class Connections:
    """All connections, each in one of two groups: served, or leaving.

    Args:
        most: connections that are served at a time.
        read_seconds: longest time for a request's head.
        stalled_seconds: longest time in which a client takes nothing of its answer.
    """

    def __init__(
        self,
        most: int,
        read_seconds: float = READ_SECONDS,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._most = most
        self._read_seconds = read_seconds
        self._stalled_seconds = stalled_seconds
        self._served: set[Connection] = set()
        self._leaving: dict[Connection, float] = {}
        self._stalled: dict[Connection, tuple[int, float]] = {}
        self._pressed = False
        self._full = False

    @property
    def served(self) -> int:
        """How many there are that are served."""
        return len(self._served)

    @property
    def unsent(self) -> list[int]:
        """Bytes of each answer that its client takes too slowly."""
        return [connection.unsent for connection in self._stalled]

    def enter(self, connection: Connection) -> bool:
        """Take a new connection on; false if it is one too many."""
        if len(self._served) >= self._most:
            self._pressed = True
            if not self._full:
                self._full = True
                _log.warning("Too many connections, new ones are refused", limit=self._most)
            return False
        self._served.add(connection)
        return True

    def see_off(self, connection: Connection, now: float) -> bool:
        """Let a connection leave in peace; false if too many do already."""
        self._served.discard(connection)
        if len(self._leaving) >= MOST_LEAVING:
            return False
        self._leaving.setdefault(connection, now)
        return True

    def forget(self, connection: Connection) -> None:
        """Say that a connection is gone."""
        self._served.discard(connection)
        self._leaving.pop(connection, None)
        self._stalled.pop(connection, None)

    def stalls(self, connection: Connection, now: float) -> None:
        """Say that a client takes its answer more slowly than it is written."""
        self._stalled[connection] = (connection.unsent, now)
        unsent = sum(self.unsent)
        while unsent > MOST_UNSENT_BYTES:
            slowest = min(self._stalled, key=lambda stalled: self._stalled[stalled][1])
            unsent -= slowest.unsent
            self._cut(slowest)

    def flows(self, connection: Connection) -> None:
        """Say that a client has caught up."""
        self._stalled.pop(connection, None)

    def sweep(self, now: float) -> None:
        """End what has kept us waiting for too long."""
        head_before = now - (PRESSED_SECONDS if self._pressed else self._read_seconds)
        idle_before = now - (PRESSED_SECONDS if self._pressed else IDLE_SECONDS)
        for connection in list(self._served):
            if (since := connection.head_since) is not None:
                if since < head_before:
                    connection.time_out()
            elif (since := connection.idle_since) is not None and since < idle_before:
                connection.close()
        for connection, since in list(self._leaving.items()):
            if now - since > LEAVING_SECONDS:
                connection.close()
        self._cut_stalled(now)
        self._pressed = False
        if self._full and len(self._served) < self._most:
            self._full = False
            _log.info("New connections are taken on again")

    def _cut_stalled(self, now: float) -> None:
        for connection, (unsent, since) in list(self._stalled.items()):
            if connection.unsent < unsent:
                self._stalled[connection] = (connection.unsent, now)
            elif now - since > self._stalled_seconds:
                self._cut(connection)

    def _cut(self, connection: Connection) -> None:
        metrics.CONNECTIONS_REFUSED.labels("stalled").inc()
        self._stalled.pop(connection, None)
        connection.cut()
