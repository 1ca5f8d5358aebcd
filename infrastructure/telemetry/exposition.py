"""Shows the metrics: as bytes, and at `/metrics` on a port of its own for processes without HTTP.

The server runs on the process's own event loop and knows one request. It listens on `METRICS_HOST`
and `METRICS_PORT`; without a port it is not there.
"""

import asyncio
import contextlib

import structlog
from prometheus_client import REGISTRY
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
REQUEST_SECONDS = 5.0

log = structlog.get_logger()


def exposition() -> bytes:
    """Return all metrics of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)


class MetricsServer:
    """Answers `GET /metrics`.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for no server at all.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen; a port that is taken costs the metrics and not the process."""
        if not self._port:
            return
        try:
            self._server = await asyncio.start_server(_answer, self._host, self._port)
        except OSError:
            log.exception(
                "No metrics: the port cannot be had, set METRICS_PORT to another", port=self._port
            )

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head))
                await writer.drain()
        finally:
            writer.close()


def _response(head: bytes) -> bytes:
    method, path = [*head.split(b" ", 2), b"", b""][:2]
    if path.partition(b"?")[0] != b"/metrics":
        status, kind, body = b"404 Not Found", "text/plain", b"Metrics are at /metrics.\n"
    elif method not in {b"GET", b"HEAD"}:
        status, kind, body = b"405 Method Not Allowed", "text/plain", b"GET /metrics\n"
    else:
        status, kind, body = b"200 OK", CONTENT_TYPE, exposition()
    return (
        b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
        % (
            status,
            kind.encode(),
            len(body),
            b"" if method == b"HEAD" else body,
        )
    )
