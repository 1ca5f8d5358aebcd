"""A closed-loop HTTP load client: each connection sends its next request when it has its answer.

It knows just enough HTTP for that, so that it takes little of the machine from what it measures.

    python -m bench.load HOST PORT CONNECTIONS SECONDS BODY
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

EXPECTED_STATUS = b"HTTP/1.1 202 "


class Connection(asyncio.Protocol):
    """One connection; counts answers and the seconds that each took."""

    def __init__(self, request: bytes, until: float) -> None:
        self._request = request
        self._until = until
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport
        self.closed = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.unexpected = 0

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
        self.latencies.append(time.perf_counter() - self._sent_at)
        if not self._buffer.startswith(EXPECTED_STATUS):
            self.unexpected += 1
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Say that this connection is done."""
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        if self._sent_at >= self._until:
            self._transport.close()
        else:
            self._transport.write(self._request)


def post(path: str, body: bytes) -> bytes:
    """Return a POST request of JSON as bytes."""
    return (
        b"POST %s HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: */*\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    ) % (path.encode(), len(body), body)


async def load(
    host: str, port: int, connections: int, seconds: float, body: bytes
) -> dict[str, float]:
    """Run the load; returns answers per second, latencies in milliseconds, unexpected answers."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    request = post("/tasks", body)
    made = [
        (await loop.create_connection(lambda: Connection(request, began + seconds), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.wait_for(
        asyncio.gather(*(connection.closed for connection in made)), seconds + 30
    )
    took = time.perf_counter() - began
    latencies = sorted(latency for connection in made for latency in connection.latencies)
    return {
        "per_second": len(latencies) / took,
        "p50_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
        "unexpected": sum(connection.unexpected for connection in made),
    }


if __name__ == "__main__":
    _host, _port, _connections, _seconds, _body = sys.argv[1:]
    print(
        json.dumps(
            uvloop.run(load(_host, int(_port), int(_connections), float(_seconds), _body.encode()))
        )
    )
