"""A TCP proxy between a program and its server, for faults of the network."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536


@dataclass(slots=True, eq=False)
class _Connection:
    """One client's way to the server.

    Attributes:
        carried: bytes, in both directions.
        asked: the end of what the client has said, for what is looked for in it.
        deaf: what the server says is not passed on, and then it is cut.
    """

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    carried: int = 0
    asked: bytes = b""
    deaf: bool = False

    def reset(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class TcpProxy:
    """Forwards to one server until it is told otherwise.

    Attributes:
        refusing: drop new connections at once.
        connections: number of connections that were accepted.
        delay_seconds: how long each piece of data is held back.
        swallowing: discard what the server says; `swallowed` is set when it says something.
        on_answer: called with each piece of what the server says, before it is passed on.
        held: set when something a client says is being held back.
        cuts: number of connections that were reset here.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.refusing = False
        self.connections = 0
        self.delay_seconds = 0.0
        self.swallowing = False
        self.swallowed = asyncio.Event()
        self.on_answer: Callable[[bytes], None] = lambda _: None
        self.held = asyncio.Event()
        self.cuts = 0
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._asking = asyncio.Event()
        self._asking.set()
        self._bytes_left: int | None = None
        self._unanswerable: bytes | None = None
        self._unspeakable: bytes | None = None
        self._connections: set[_Connection] = set()
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
        for connection in list(self._connections):
            self._cut(connection)

    def cut_after(self, count: int) -> None:
        """Reset each connection, the new ones too, when it has carried so many bytes from now."""
        self._bytes_left = count
        for connection in self._connections:
            connection.carried = 0

    def go_silent(self) -> None:
        """Hold back everything, in both directions; connections stay open and are accepted."""
        self._flowing.clear()

    def hold_requests(self) -> None:
        """Hold back what the clients say; what the server still says arrives."""
        self._asking.clear()

    def hold_request_with(self, needle: bytes) -> None:
        """Hold back what the clients say from the first request on that contains this."""
        self._unspeakable = needle

    def lose_answer_to(self, needle: bytes) -> None:
        """Let the next request with this in it reach the server, and cut instead of answering."""
        self.swallowed.clear()
        self._unanswerable = needle

    def behave(self) -> None:
        """Undo everything; what was held back goes on, unless its connection is gone."""
        self.refusing = self.swallowing = False
        self.delay_seconds = 0.0
        self.on_answer = lambda _: None
        self._bytes_left = self._unanswerable = self._unspeakable = None
        self._asking.set()
        self._flowing.set()
        self.held.clear()

    def speak_again(self) -> None:
        """Undo `go_silent`."""
        self._flowing.set()

    def inject(self, data: bytes) -> None:
        """Send data to the clients as if the server had."""
        for connection in self._connections:
            connection.client.write(data)

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
        connection = _Connection(writer, upstream)
        self._connections.add(connection)
        for forwarding in (
            self._forward(reader, connection, asking=True),
            self._forward(upstream_reader, connection, asking=False),
        ):
            task = asyncio.create_task(forwarding)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, source: asyncio.StreamReader, connection: _Connection, *, asking: bool
    ) -> None:
        drain = connection.server if asking else connection.client
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if asking:
                    await self._examine(connection, data)
                await self._flowing.wait()
                if not asking and self._discards(connection, data):
                    continue
                if drain.transport.is_closing():
                    break
                drain.write(data)
                await drain.drain()
                self._count(connection, len(data))
        connection.reset()
        self._connections.discard(connection)

    async def _examine(self, connection: _Connection, data: bytes) -> None:
        """Look at what a client says, and hold it back where that is asked for."""
        said = connection.asked + data
        if self._unanswerable is not None and self._unanswerable in said:
            self._unanswerable = None
            connection.deaf = True
        if self._unspeakable is not None and self._unspeakable in said:
            self.hold_requests()
        longest = max(len(self._unanswerable or b""), len(self._unspeakable or b""))
        connection.asked = said[-longest + 1 :] if longest > 1 else b""
        if not self._asking.is_set():
            self.held.set()
            await self._asking.wait()

    def _discards(self, connection: _Connection, data: bytes) -> bool:
        """Tell whether what the server says is not to be passed on."""
        self.on_answer(data)
        if connection.deaf:
            self._cut(connection)
        elif not self.swallowing:
            return False
        self.swallowed.set()
        return True

    def _count(self, connection: _Connection, size: int) -> None:
        connection.carried += size
        if self._bytes_left is not None and connection.carried > self._bytes_left:
            self._cut(connection)

    def _cut(self, connection: _Connection) -> None:
        self.cuts += 1
        connection.reset()


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
