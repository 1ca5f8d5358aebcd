"""One AMQP connection that never makes anyone wait for ever.

aiormq reports a connection that ended in many ways: its own errors, `RuntimeError`, a bare
`Exception`, even `CancelledError` in a task that nobody cancelled. `answered` turns all of them
into `BrokerUnavailable`, and bounds the wait, which aiormq does not.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, cast

import aiormq
from aiormq.channel import Channel
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import ConnectionClosed
from yarl import URL

from domain.errors import BrokerUnavailable, KetlogError

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 3.0
CLOSE_SECONDS = 1.0
HEARTBEAT_SECONDS = 5

# aiormq logs every attempt and every end of a connection; we log each change once.
_library_log = logging.getLogger("aiormq")
_library_log.addHandler(logging.NullHandler())
_library_log.propagate = False


class _Transport(TransportFactory):
    """Opens sockets as aiormq does, and remembers the socket so that it can be dropped."""

    def __init__(self, *, tls: bool) -> None:
        self._factory = TLSTransportFactory() if tls else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._factory.create(url, **kwargs)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class Link:
    """An open connection. Make one with `Link.open`."""

    def __init__(self, connection: aiormq.Connection, transport: _Transport) -> None:
        self._connection = connection
        self._transport = transport

    @classmethod
    async def open(cls, url: str, name: str) -> "Link":
        """Connect.

        Args:
            url: `amqp://` or `amqps://`; the query may hold aiormq's options (`cafile`,
                `certfile`, `keyfile`, `no_verify_ssl`, `heartbeat`).
            name: shown as the connection's name in the management page.

        Raises:
            BrokerUnavailable: no connection within `CONNECT_SECONDS`.
        """
        parsed = URL(url)
        options = {"heartbeat": str(HEARTBEAT_SECONDS), **parsed.query, "name": name}
        transport = _Transport(tls=parsed.scheme == "amqps")
        try:
            async with answered(CONNECT_SECONDS):
                connection = aiormq.Connection(
                    parsed.with_query(options), transport_factory=transport
                )
                await connection.connect()
        except BaseException:
            transport.abort()
            raise
        return cls(connection, transport)

    @property
    def is_open(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return self._connection.is_opened

    async def is_blocked(self) -> bool:
        """Whether the broker has asked not to publish, for want of memory or disk."""
        try:
            async with asyncio.timeout(0):
                await self._connection.ready()
        except TimeoutError:
            return True
        return False

    async def channel(self, *, confirms: bool = False) -> Channel:
        """Open a channel; raises `BrokerUnavailable`."""
        async with answered():
            channel = await self._connection.channel(publisher_confirms=confirms)
        return cast("Channel", channel)

    @contextlib.asynccontextmanager
    async def brief_channel(self) -> AsyncIterator[Channel]:
        """Lend a channel for a question whose answer may close it; raises `BrokerUnavailable`."""
        channel = await self.channel()
        try:
            yield channel
        finally:
            with contextlib.suppress(BrokerUnavailable):
                async with answered():
                    await channel.close()

    async def close(self) -> None:
        """Say good-bye if the broker listens, and drop the socket; bounded by `CLOSE_SECONDS`."""
        with contextlib.suppress(BrokerUnavailable):
            async with answered(CLOSE_SECONDS):
                await self._connection.close(ConnectionClosed(200, "closed by this side"))
        self._transport.abort()


class KeptLink:
    """A connection that is opened when it is needed and kept until it fails."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._link: Link | None = None

    async def get(self) -> Link:
        """Return an open connection; raises `BrokerUnavailable`."""
        if self._link is None or not self._link.is_open:
            await self.close()
            self._link = await Link.open(self._url, self._name)
        return self._link

    async def close(self) -> None:
        """Close the connection; the next `get` opens another."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()


@contextlib.asynccontextmanager
async def answered(seconds: float = ANSWER_SECONDS) -> AsyncIterator[None]:
    """Bound what is said to the broker, and turn what goes wrong into `BrokerUnavailable`."""
    task = asyncio.current_task()
    cancellations = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(seconds):
            yield
    except KetlogError:
        raise
    except TimeoutError as error:
        raise BrokerUnavailable(f"RabbitMQ did not answer within {seconds:g} s") from error
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > cancellations:
            raise
        raise BrokerUnavailable("RabbitMQ is away: the connection ended") from error
    except Exception as error:
        raise BrokerUnavailable(f"RabbitMQ is away: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Return an error's class and first line."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
