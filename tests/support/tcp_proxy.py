"""A TCP proxy between a program and its server, for faults of the network."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536


class TcpProxy:
    """Forwards to one server until it is told otherwise.

    Attributes:
        refusing: drop new connections at once.
        connections: number of connections that were accepted.
        delay_seconds: how long each piece of data is held back.
        swallowing: discard what the server says; `swallowed` is set when it says something.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.refusing = False
        self.connections = 0
        self.delay_seconds = 0.0
        self.swallowing = False
        self.swallowed = asyncio.Event()
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)

    def url(self, url: str) -> str:
        """Return a server's URL changed to lead through this proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def go_silent(self) -> None:
        """Hold back everything, in both directions; connections stay open and are accepted."""
        self._flowing.clear()

    def speak_again(self) -> None:
        """Undo `go_silent`."""
        self._flowing.set()

    def inject(self, data: bytes) -> None:
        """Send data to the clients as if the server had."""
        for client in self._clients:
            client.write(data)

    async def close(self) -> None:
        """Stop; all connections are reset."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            writer.transport.abort()
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._clients.add(writer)
        for source, drain in ((reader, upstream), (upstream_reader, writer)):
            self._writers.add(drain)
            task = asyncio.create_task(self._forward(source, drain, (writer, upstream)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self,
        source: asyncio.StreamReader,
        drain: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._flowing.wait()
                if self.swallowing and drain in self._clients:
                    self.swallowed.set()
                    continue
                drain.write(data)
                await drain.drain()
        for writer in both:
            writer.transport.abort()
            self._writers.discard(writer)
            self._clients.discard(writer)


@contextlib.asynccontextmanager
async def proxied(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[TcpProxy]:
    """A proxy in front of the server that a URL names, which may speak TLS to its clients."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = TcpProxy(parts.hostname, parts.port, tls)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
