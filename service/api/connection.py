"""One HTTP connection, within bounds: uvicorn's protocol with limits of ours.

uvicorn takes heads of any size, for any time, and any number of requests that are sent ahead of
their answers. Here each of these ends the connection with a problem document that says why.
There is no timer for each request, not even uvicorn's for idle connections: `Connections` sweeps.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.server import ServerState

from infrastructure.telemetry import metrics
from service.api.connections import Connections
from service.api.problems import Problem, plain_answer, unavailable
from service.api.protocol import GatheringProtocol
from service.api.server_config import ServerConfig

MAX_HEAD_BYTES: Final = 32 * 1024
"""Of the path and all headers of a request; also of what stands between the parts of a body."""
HALF_A_HEAD: Final = MAX_HEAD_BYTES // 2
MAX_HEADERS: Final = 100
MAX_AHEAD: Final = 16
"""Requests that a client may send before the one that is being answered."""
MAX_DROPPED_BYTES: Final = 1024 * 1024
RETRY_SECONDS: Final = 1


class _Refused(Exception):
    """Stops the parser; why is in `BoundedProtocol._reason`."""


class _Trailers(list[tuple[bytes, bytes]]):
    """Where the parser puts headers that come behind a body: they count for nothing."""

    def append(self, _header: tuple[bytes, bytes]) -> None:
        """Forget it."""


_TRAILERS: Final = _Trailers()


class BoundedProtocol(GatheringProtocol):
    """A connection that costs no more than the limits above; see `connections.Connection`."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connections: Connections = config.connections
        self.head_since: float | None = None
        self.idle_since: float | None = None
        self._loose_bytes = 0
        self._large_reads = False
        self._reason = "malformed"
        self._deaf = False
        self._surplus = False
        self._dropped_bytes = 0

    @property
    def unsent(self) -> int:
        """See `connections.Connection`."""
        return self.transport.get_write_buffer_size()

    def time_out(self) -> None:
        """See `connections.Connection`."""
        if self._loose_bytes:
            self._refuse("head_timeout")
        else:
            self.transport.close()

    def close(self) -> None:
        """See `connections.Connection`."""
        self.transport.close()

    def cut(self) -> None:
        """See `connections.Connection`."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, or the end of one that is too many."""
        super().connection_made(transport)
        now = self.loop.time()
        if self._connections.enter(self):
            self.head_since = now
            return
        metrics.CONNECTIONS_REFUSED.labels("too_many").inc()
        self._deaf = self._surplus = True
        if not self._connections.see_off(self, now):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._connections.forget(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Hold answers back: the client takes them too slowly."""
        super().pause_writing()
        self._connections.stalls(self, self.loop.time())

    def resume_writing(self) -> None:
        """Go on with answers."""
        super().resume_writing()
        self._connections.flows(self)

    def data_received(self, data: bytes) -> None:
        """Take in what the client has sent."""
        if self._deaf:
            self._drop(data)
            return
        if self.idle_since is not None:
            self.idle_since = None
            self.head_since = self.loop.time()
        self._loose_bytes += len(data)
        if len(data) > HALF_A_HEAD:
            self._large_reads = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # We speak nothing else: the request is answered as if it had not asked for it.
        except httptools.HttpParserError:
            self._refuse(self._reason)
        else:
            if self._loose_bytes > MAX_HEAD_BYTES or (
                self.head_since is not None and self.headers and len(self.headers) > MAX_HEADERS
            ):
                self._refuse("head_too_large")

    def on_headers_complete(self) -> None:
        """The head is complete: the request can be handled."""
        if len(self.headers) > MAX_HEADERS or (
            # Only then it can be too large, and need be measured.
            (self._large_reads or self._loose_bytes > HALF_A_HEAD) and self._is_too_large()
        ):
            self._stop("head_too_large")
        if len(self.pipeline) >= MAX_AHEAD:
            self._stop("too_many_ahead")
        self.head_since = None
        self._loose_bytes = 0
        super().on_headers_complete()
        self.headers = _TRAILERS

    def on_body(self, body: bytes) -> None:
        """A part of the body is here."""
        self._loose_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """An answer is written: go on with what came after its request, or wait."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self.idle_since = self.loop.time()

    def _is_too_large(self) -> bool:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > MAX_HEAD_BYTES

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _stop(self, reason: str) -> None:
        self._reason = reason
        raise _Refused(reason)

    def _refuse(self, reason: str) -> None:
        """Take nothing more; what came before is answered first, if there was something."""
        metrics.CONNECTIONS_REFUSED.labels(reason).inc()
        self.head_since = None
        self._deaf = True
        if not self._busy:
            self._say_last(_PROBLEMS[reason])
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self.cycle.response_started or self.pipeline:
            self.transport.close()
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._say_last(_PROBLEMS[reason])

    def _say_last(self, problem: Problem) -> None:
        self.transport.write(plain_answer(problem, self.server_state.default_headers))
        if self._connections.see_off(self, self.loop.time()):
            self.transport.write_eof()
        else:
            self.transport.close()

    def _drop(self, data: bytes) -> None:
        if self._surplus:
            self._surplus = False
            self._say_last(_PROBLEMS["too_many"])
        self._dropped_bytes += len(data)
        if self._dropped_bytes > MAX_DROPPED_BYTES:
            self.transport.close()


_PROBLEMS: Final = {
    "malformed": Problem(
        400,
        "malformed-request",
        "Malformed request",
        "This is not HTTP/1.1 as this service reads it. Check what your client sends.",
    ),
    "head_timeout": Problem(
        408,
        "request-timeout",
        "Request timeout",
        "The head of the request took too long to arrive. Send it again.",
    ),
    "head_too_large": Problem(
        431,
        "head-too-large",
        "Request head too large",
        f"Path and headers may have {MAX_HEAD_BYTES} bytes together, and there may be "
        f"{MAX_HEADERS} headers. Send fewer or shorter ones.",
    ),
    "too_many_ahead": Problem(
        400,
        "too-many-requests-ahead",
        "Too many requests ahead",
        f"At most {MAX_AHEAD} requests may be sent before the first is answered.",
    ),
    "too_many": unavailable(
        "too-many-connections",
        "Too many connections",
        "This process has as many connections as it serves. Send the request again soon.",
        retry_after=RETRY_SECONDS,
    ),
}
