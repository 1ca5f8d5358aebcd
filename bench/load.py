"""A closed-loop HTTP load client: each connection sends its next request when it has its answer.

It knows just enough HTTP for that, so that it takes little of the machine from what it measures,
and it holds every answer against what is expected: a client that only counts would also be fast.
Reads an `Order` as JSON from standard input and writes what it has seen to standard output.
"""

import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.machine import CHECKOUT
from infrastructure.local.ports import LOOPBACK

BELL = (
    'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c;'
    " h q[0]; cx q[0],q[1]; c = measure q;"
)
SHOTS = 1024
_NUMBERS = 10_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What to do.

    Attributes:
        port: where the server listens on the loopback interface.
        seconds: how long to begin new requests.
        count: how many requests to send, `None` for as many as the time allows.
        ids: a file with one task id a line: look at random ones. Without it, tasks are submitted.
        connections: requests at the same time.
        first: number of the first submission; each has a circuit text of its own.
        key: shown with every request, if there is one.
    """

    port: int
    seconds: float
    count: int | None = None
    ids: str | None = None
    connections: int = 32
    first: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of it.

    Attributes:
        answers: complete answers, in all.
        unexpected: those with another status than expected.
        seconds: from the first request to the last answer.
        p50_ms: median latency.
        p99_ms: the latency that one answer in a hundred exceeds.
        answer_bytes: size of the last answer, head and body.
    """

    answers: int
    unexpected: int
    seconds: float
    p50_ms: float
    p99_ms: float
    answer_bytes: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def run_load(order: Order) -> Seen:
    """Run the client as a process of its own; a wrong answer fails the benchmark."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(asdict(order)),
        check=True,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=order.seconds + 120,
    )
    seen = Seen(**json.loads(done.stdout))
    assert seen.answers > 0, "no answer came"
    assert seen.unexpected == 0, f"{seen.unexpected} of {seen.answers} answers had another status"
    return seen


def bell_circuit(number: int) -> str:
    """Return a circuit text that no cache has seen; all have the same size."""
    return f"{BELL} // {_NUMBERS + number}"


def bell_body(number: int) -> bytes:
    """Return the body of its submission."""
    return json.dumps({"circuit": bell_circuit(number), "shots": SHOTS}).encode()


class _Connection(asyncio.Protocol):
    """One connection; counts answers and the seconds that each took."""

    def __init__(self, requests: Iterator[bytes], status: bytes, until: float) -> None:
        self._requests = requests
        self._begins = b"HTTP/1.1 " + status
        self._until = until
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport
        self.closed = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.unexpected = 0
        self.answer_bytes = 0
        self.last_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count a complete answer and send the next request."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(b"content-length:") + len(b"content-length:")
        length = int(head[at : (head + b"\r").index(b"\r", at)])
        if len(self._buffer) < end + 4 + length:
            return
        self.last_at = time.perf_counter()
        self.latencies.append(self.last_at - self._sent_at)
        if not self._buffer.startswith(self._begins):
            self.unexpected += 1
        self.answer_bytes = len(self._buffer)
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Say that this connection is done."""
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        request = next(self._requests, None) if self._sent_at < self._until else None
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)


def post(body: bytes, key: str = "") -> bytes:
    """Return a submission as bytes."""
    return (
        b"POST /tasks HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: */*\r\n"
        b"%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    ) % (_shown(key), len(body), body)


def get(task_id: str, key: str = "") -> bytes:
    """Return a status request as bytes."""
    return (
        b"GET /tasks/%s HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: */*\r\n%s\r\n"
    ) % (task_id.encode(), _shown(key))


def _shown(key: str) -> bytes:
    return b"authorization: Bearer %s\r\n" % key.encode() if key else b""


def _requests(order: Order) -> tuple[Iterator[bytes], bytes]:
    """Return the requests and the status that each is answered with."""
    make: Callable[[int], bytes]
    if order.ids is None:
        parts = post(bell_body(0), order.key).split(str(_NUMBERS).encode())
        made, status = (lambda number: (b"%d" % (_NUMBERS + number)).join(parts)), b"202 "
        make = made
    else:
        ids = Path(order.ids).read_text().split()
        choose = random.Random(order.first)
        make, status = (lambda _number: get(choose.choice(ids), order.key)), b"200 "
    numbers = (
        itertools.count(order.first)
        if order.count is None
        else iter(range(order.first, order.first + order.count))
    )
    return map(make, numbers), status


async def load(order: Order) -> Seen:
    """Run the load in this process."""
    loop = asyncio.get_running_loop()
    requests, status = _requests(order)
    began = time.perf_counter()
    until = began + order.seconds
    made = [
        (
            await loop.create_connection(
                lambda: _Connection(requests, status, until), LOOPBACK, order.port
            )
        )[1]
        for _ in range(order.connections)
    ]
    await asyncio.wait_for(
        asyncio.gather(*(connection.closed for connection in made)), order.seconds + 60
    )
    latencies = sorted(latency for connection in made for latency in connection.latencies)
    return Seen(
        answers=len(latencies),
        unexpected=sum(connection.unexpected for connection in made),
        seconds=max(connection.last_at for connection in made) - began,
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[int(len(latencies) * 0.99)],
        answer_bytes=max(connection.answer_bytes for connection in made),
    )


def main() -> None:
    """Do what standard input says."""
    order = Order(**cast("dict[str, Any]", json.load(sys.stdin)))
    print(json.dumps(asdict(uvloop.run(load(order)))))


if __name__ == "__main__":
    main()
