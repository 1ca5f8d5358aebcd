"""An open-loop HTTP load client: requests are due at a steady pace, whatever became of others.

A request goes over a connection that is free, or over a new one. Where there are as many as may be,
and none is free, it stays unsent: the server is not to blame for what its client cannot hold. All
connections are opened before, one after another: a crowd that connects at one moment loses packets
in the kernel and waits for seconds, whatever the server does.
Reads a `Flood` as JSON from standard input and writes what it has seen to standard output.
"""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.load import bell_circuit, post
from bench.machine import CHECKOUT
from infrastructure.local.ports import LOOPBACK

TICK_SECONDS = 0.002
LAST_SECONDS = 30.0
ACCEPTED = "202"
NO_ANSWER = "no answer"
UNSENT = "unsent"
_TASK_ID = re.compile(rb"\r\nlocation: /tasks/([0-9a-f-]{36})\r\n")
_KIND = re.compile(rb'"urn:ketlog:problem:([a-z-]+)"')


@dataclass(frozen=True, slots=True)
class Flood:
    """What to do.

    Attributes:
        port: where the server listens on the loopback interface.
        seconds: how long requests are due.
        per_second: requests a second.
        connections: most at a time.
        ids: a file for the ids of the accepted tasks, one a line.
        padding: bytes by which each circuit is longer than a Bell pair.
        first: number of the first submission.
    """

    port: int
    seconds: float
    per_second: float
    connections: int
    ids: str
    padding: int = 0
    first: int = 0


@dataclass(frozen=True, slots=True)
class Came:
    """What came of it.

    Attributes:
        due: requests that were due.
        outcomes: how many were answered how: `202`, `503 overloaded`, …; `no answer` where the
            connection ended without one, `unsent` where none was free.
        seconds: from the first request to the last answer.
        p50_ms: median time from sending a request until it is accepted.
        p99_ms: the time that one accepted request in a hundred exceeds.
    """

    due: int
    outcomes: Mapping[str, int]
    seconds: float
    p50_ms: float
    p99_ms: float


def run_flood(flood: Flood) -> Came:
    """Run the client as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.flood"],
        input=json.dumps(asdict(flood)),
        check=True,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=flood.seconds + 4 * LAST_SECONDS,
    )
    return Came(**json.loads(done.stdout))


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, client: "_Client", *, with_request: bool) -> None:
        self._client = client
        self.with_request = with_request
        self._sent_at: float | None = None
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request that it was opened for, if it was for one."""
        self._transport = cast("asyncio.Transport", transport)
        if self.with_request:
            self.send()
        else:
            self._client.let_go(self)

    def send(self) -> None:
        """Send the next request."""
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._client.requests))

    def data_received(self, data: bytes) -> None:
        """Count a complete answer."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[: end + 2].lower()
        at = head.index(b"content-length:") + len(b"content-length:")
        if len(self._buffer) < end + 4 + int(head[at : head.index(b"\r", at)]):
            return
        answer, self._buffer = self._buffer, b""
        if self._sent_at is not None:
            self._client.answered(answer, self._sent_at)
            self._sent_at = None
        if b"\r\nconnection: close\r\n" in head:
            self._transport.close()
        else:
            self._client.let_go(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Make room for another one."""
        if self._sent_at is not None:
            self._client.outcomes[NO_ANSWER] += 1
            self._sent_at = None
        self._client.gone(self)


class _Client:
    """All connections, and what they have seen."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self.requests = _requests(flood)
        self.free: deque[_Connection] = deque()
        self.open: set[_Connection] = set()
        self.outcomes: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.ids: list[bytes] = []
        self.last_at = 0.0
        self._opening: set[asyncio.Task[None]] = set()
        self._over: asyncio.Event | None = None

    @property
    def under_way(self) -> int:
        """Requests without an answer."""
        return len(self.open) - len(self.free)

    def answered(self, answer: bytes, sent_at: float) -> None:
        """Note an answer."""
        self.last_at = time.perf_counter()
        outcome = answer[9:12].decode()
        if outcome == ACCEPTED:
            self.latencies.append(self.last_at - sent_at)
            found = _TASK_ID.search(answer)
            assert found is not None, answer
            self.ids.append(found[1])
        elif (kind := _KIND.search(answer)) is not None:
            outcome += " " + kind[1].decode()
        self.outcomes[outcome] += 1

    async def all_answered(self, within: float) -> None:
        """Wait for the answers that are on their way; the rest has none."""
        self._over = asyncio.Event()
        self._look()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), within)
        self.outcomes[NO_ANSWER] += self.under_way

    def let_go(self, connection: _Connection) -> None:
        """Keep a connection for the next request."""
        self.free.append(connection)
        self._look()

    def gone(self, connection: _Connection) -> None:
        """Note that a connection is closed."""
        self.open.discard(connection)
        with contextlib.suppress(ValueError):
            self.free.remove(connection)
        self._look()

    async def connect(self) -> None:
        """Open as many connections as may be."""
        for _ in range(self._flood.connections):
            connection = _Connection(self, with_request=False)
            self.open.add(connection)
            await self._open(connection)

    def due(self) -> None:
        """Send a request, if it can be sent."""
        if self.free:
            self.free.popleft().send()
        elif len(self.open) < self._flood.connections:
            connection = _Connection(self, with_request=True)
            self.open.add(connection)
            opening = asyncio.create_task(self._open(connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        else:
            self.outcomes[UNSENT] += 1

    def _look(self) -> None:
        if self._over is not None and not self.under_way:
            self._over.set()

    async def _open(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, LOOPBACK, self._flood.port)
        except OSError:
            self.outcomes[NO_ANSWER] += connection.with_request
            self.gone(connection)


def _requests(flood: Flood) -> Iterator[bytes]:
    padding = " " + "x" * (flood.padding - 1) if flood.padding else ""
    number = flood.first
    while True:
        circuit = bell_circuit(number) + padding
        yield post(b'{"circuit": %s, "shots": 1024}' % json.dumps(circuit).encode())
        number += 1


async def flood(order: Flood) -> tuple[Came, list[bytes]]:
    """Run the load in this process; returns what came of it, and the ids of accepted tasks."""
    client = _Client(order)
    await client.connect()
    began = time.perf_counter()
    sent = 0
    while (passed := time.perf_counter() - began) < order.seconds:
        until = int(passed * order.per_second)
        for _ in range(sent, until):
            client.due()
        sent = max(sent, until)
        await asyncio.sleep(TICK_SECONDS)
    await client.all_answered(LAST_SECONDS)
    latencies = sorted(client.latencies) or [float("nan")]
    came = Came(
        due=sent,
        outcomes=dict(client.outcomes),
        seconds=client.last_at - began,
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[int(len(latencies) * 0.99)],
    )
    return came, client.ids


def main() -> None:
    """Do what standard input says."""
    order = Flood(**cast("dict[str, Any]", json.load(sys.stdin)))
    came, ids = uvloop.run(flood(order))
    Path(order.ids).write_bytes(b"".join(task_id + b"\n" for task_id in ids))
    print(json.dumps(asdict(came)))


if __name__ == "__main__":
    main()
