"""A database session of its own: for locks that live as long as it, and for notifications."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg

from domain.errors import StoreUnavailable
from infrastructure.postgres.connect import (
    CONNECT_TIMEOUT_SECONDS,
    connect,
    describe,
    translated_errors,
)


class Session:
    """One connection on which every question has a time limit. Make one with `session`."""

    def __init__(self, connection: asyncpg.Connection, answer_seconds: float) -> None:
        self._connection = connection
        self._answer_seconds = answer_seconds
        self.ended = asyncio.Event()
        connection.add_termination_listener(lambda _: self.ended.set())

    async def ask(self, query: str, *values: object) -> Any:
        """Return the first value of the answer; raises `StoreUnavailable`."""
        async with _answered(self._answer_seconds):
            return await self._connection.fetchval(query, *values)

    async def listen(self, channel: str, on_notification: Callable[[str], None]) -> None:
        """Call back with the payload of each notification on a channel.

        Raises:
            StoreUnavailable: nothing will be heard.
        """
        async with _answered(self._answer_seconds):
            await self._connection.add_listener(
                channel, lambda _connection, _pid, _channel, payload: on_notification(payload)
            )


@contextlib.asynccontextmanager
async def session(
    dsn: str, application_name: str, answer_seconds: float, **settings: str
) -> AsyncIterator[Session]:
    """Open a session and drop it at the end; raises `StoreUnavailable`.

    Args:
        answer_seconds: longest wait for each answer.
        settings: session settings beside the usual ones.
    """
    async with _answered(2 * CONNECT_TIMEOUT_SECONDS):
        connection = await connect(dsn, application_name, **settings)
    try:
        yield Session(connection, answer_seconds)
    finally:
        connection.terminate()


@contextlib.asynccontextmanager
async def _answered(seconds: float) -> AsyncIterator[None]:
    """Turn every refusal and every silence into `StoreUnavailable`.

    What asks here has nothing better to do than to try again: the role may appear with the first
    migration, the database with the next restart.
    """
    try:
        async with translated_errors(), asyncio.timeout(seconds):
            yield
    except asyncpg.PostgresError as error:
        raise StoreUnavailable(f"PostgreSQL refused: {describe(error)}") from error
