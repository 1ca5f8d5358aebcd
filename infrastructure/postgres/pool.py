"""Connections that stay open between uses.

asyncpg's own pool makes two tasks and three timers for each use, which is more work than a small
query. Here a connection that is free is taken off a stack and put back onto it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import asyncpg

IDLE_SECONDS = 60.0
"""A connection that nobody has needed for so long is closed."""


class ConnectionPool:
    """Opens connections as they are needed, and lends the one that was used last.

    Args:
        open_connection: makes a connection, ready for use.
        size: most connections at a time.
    """

    def __init__(
        self, open_connection: Callable[[], Awaitable[asyncpg.Connection]], size: int
    ) -> None:
        self._open = open_connection
        self._size = size
        self._idle: deque[tuple[asyncpg.Connection, float]] = deque()
        self._lent: set[asyncpg.Connection] = set()
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._all_back: asyncio.Future[None] | None = None

    @property
    def idle(self) -> int:
        """Connections that wait to be used."""
        return sum(not connection.is_closed() for connection, _ in self._idle)

    @property
    def busy(self) -> int:
        """Connections that are lent, or being opened."""
        return self._taken

    async def acquire(self, wait_seconds: float) -> asyncpg.Connection:
        """Borrow a connection; `release` must follow.

        Args:
            wait_seconds: longest wait for a free one, and for a new one.

        Raises:
            TimeoutError: every connection stayed busy, or none could be opened in time.
            Exception: whatever `open_connection` raises.
        """
        if self._taken < self._size:
            self._taken += 1
        else:
            await self._wait_for_place(wait_seconds)
        try:
            connection = self._newest_idle()
            if connection is None:
                async with asyncio.timeout(wait_seconds):
                    connection = await self._open()
        except BaseException:
            self._pass_place_on()
            raise
        self._lent.add(connection)
        return connection

    def release(self, connection: asyncpg.Connection) -> None:
        """Give a connection back; one that is closed is forgotten, as is one in a transaction."""
        self._lent.discard(connection)
        if connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            now = asyncio.get_running_loop().time()
            self._idle.append((connection, now))
            while self._idle[0][1] < now - IDLE_SECONDS:
                self._idle.popleft()[0].terminate()
        self._pass_place_on()

    async def close(self, grace_seconds: float) -> None:
        """Close all connections, the busy ones too once `grace_seconds` have passed."""
        idle = [connection for connection, _ in self._idle]
        self._idle.clear()
        try:
            async with asyncio.timeout(grace_seconds):
                await asyncio.gather(*(connection.close() for connection in idle))
                if self._lent:
                    self._all_back = asyncio.get_running_loop().create_future()
                    await self._all_back
        except TimeoutError:
            pass
        finally:
            self._all_back = None
            for connection in (*idle, *self._lent, *(each for each, _ in self._idle)):
                connection.terminate()
            self._idle.clear()

    async def _wait_for_place(self, seconds: float) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException:
            if place.done() and not place.cancelled():
                # It came at the very moment at which the waiting ended.
                self._pass_place_on()
            raise

    def _newest_idle(self) -> asyncpg.Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _pass_place_on(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._taken -= 1
        if self._all_back is not None and not self._lent and not self._all_back.done():
            self._all_back.set_result(None)
