"""A client of many streams or waiting requests at once: when did what was recorded arrive?

Reads an `Order` as JSON from standard input, writes a line once every connection has its answer's
head (or has asked, where answers wait), and at the end what it has `Heard`. Both clocks are this
machine's: that of the database, which is in each event, and that of this process.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any, cast

import uvloop

from infrastructure.local.ports import LOOPBACK

GIVE_UP_SECONDS = 120.0
CONNECT_AT_ONCE = 50
_LONGEST_TIME = len(b'2025-12-28T14:30:00.123456Z"')


@dataclass(frozen=True, slots=True)
class Order:
    """What to do.

    Attributes:
        port: where the API listens on the loopback interface.
        paths: one request each, all at the same time.
        events: so many are expected of each stream; 0 for requests that wait for a task's end.
        skipped: so many come first, about what was before, and do not count.
    """

    port: int
    paths: Sequence[str]
    events: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of it; milliseconds from what the database says to the arrival."""

    arrivals: int
    p50_ms: float
    p99_ms: float
    most_ms: float


@cache
def _seconds(moment: bytes) -> float:
    """Return a time as seconds since 1970; all connections get the same events."""
    return datetime.fromisoformat(moment.decode()).timestamp()


class _Connection(asyncio.Protocol):
    """One request, and when what it asked about arrived."""

    def __init__(self, path: str, events: int, skipped: int) -> None:
        self._skipped = skipped
        self._request = f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
        self._events = events
        self._marker = b'"time":"' if events else b'"completed_at":"'
        self._rest = b""
        self.lateness: list[float] = []
        loop = asyncio.get_running_loop()
        self.answering = loop.create_future()
        self.done = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)
        if not self._events:
            self.answering.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take the time of everything that has arrived."""
        now = time.time()
        if not self.answering.done():
            assert data.startswith(b"HTTP/1.1 200 "), data
            self.answering.set_result(None)
        first, *others = (self._rest + data).split(self._marker)
        self._rest = (others[-1] if others else first)[-len(self._marker) :]
        for text in others:
            moment, quote, _ = text[:_LONGEST_TIME].partition(b'"')
            if quote:
                self.lateness.append(now - _seconds(moment))
            else:
                self._rest = self._marker + text
        if len(self.lateness) >= max(1, self._events) and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail if something is missing."""
        for waiting in (self.answering, self.done):
            if not waiting.done():
                waiting.set_exception(ConnectionError(f"the connection broke: {exc}"))

    @property
    def counted(self) -> Sequence[float]:
        """Seconds that each arrival took."""
        return self.lateness[self._skipped :]

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


async def listen(order: Order) -> Heard:
    """Do it in this process."""
    loop = asyncio.get_running_loop()
    made: list[_Connection] = []
    for begin in range(0, len(order.paths), CONNECT_AT_ONCE):
        some = await asyncio.gather(
            *(
                loop.create_connection(
                    partial(_Connection, path, order.events, order.skipped), LOOPBACK, order.port
                )
                for path in order.paths[begin : begin + CONNECT_AT_ONCE]
            )
        )
        made += [connection for _, connection in some]
        await asyncio.gather(*(connection.answering for _, connection in some))
    print("listening", flush=True)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await asyncio.gather(*(connection.done for connection in made))
    for connection in made:
        connection.close()
    lateness = sorted(1000 * late for connection in made for late in connection.counted)
    return Heard(
        len(lateness),
        lateness[len(lateness) // 2],
        lateness[int(len(lateness) * 0.99)],
        lateness[-1],
    )


def main() -> None:
    """Do what standard input says."""
    order = Order(**cast("dict[str, Any]", json.loads(sys.stdin.readline())))
    print(json.dumps(asdict(uvloop.run(listen(order)))), flush=True)


if __name__ == "__main__":
    main()
