"""uvicorn's HTTP protocol, sending each answer with one system call.

uvicorn writes an answer's head and its body one after the other, and the loop sends each at once.
For answers as short as ours, the second system call costs about a tenth of the whole request.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HELD_BYTES = 65_536


class GatheringTransport:
    """A transport that sends what was written within one turn of the event loop together.

    Everything but writing and closing goes straight to the transport it stands for.
    """

    __slots__ = ("_call_soon", "_held", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send soon; large data at once, so that the loop's flow control sees it."""
        self._held.append(data)
        if len(data) > HELD_BYTES:
            self._send()
        elif len(self._held) == 1:
            self._call_soon(self._send)

    def close(self) -> None:
        """Send what was written, then close."""
        self._send()
        self._transport.close()

    def write_eof(self) -> None:
        """Send what was written, and say that there is no more."""
        self._send()
        self._transport.write_eof()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        if self._held:
            held, self._held = self._held, []
            self._transport.write(b"".join(held))


class GatheringProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol over a `GatheringTransport`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        gathering = GatheringTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", gathering))
