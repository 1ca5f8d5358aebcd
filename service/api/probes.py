"""Looks at PostgreSQL and RabbitMQ in the background, so that health answers never wait."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from domain.errors import KetlogError
from infrastructure.postgres.connect import connect
from infrastructure.rabbitmq.alarm import AlarmProbe
from infrastructure.rabbitmq.probe import BrokerProbe
from infrastructure.telemetry.logging import first_line

PERIOD_SECONDS: Final = 0.5
TIMEOUT_SECONDS: Final = 1.0
_SCHEMA_MISSING = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.InsufficientPrivilegeError,
)
_REASONS: Final = (
    (_SCHEMA_MISSING, "the schema is not in the database, run `make migrate`"),
    (TimeoutError, f"PostgreSQL did not answer within {TIMEOUT_SECONDS:g} s"),
    (asyncpg.DiskFullError, "PostgreSQL's disk is full"),
    (asyncpg.TooManyConnectionsError, "PostgreSQL takes no more connections"),
    (asyncpg.ReadOnlySQLTransactionError, "PostgreSQL is read-only"),
)
"""What a client may know: no addresses, no names of users."""

_log = structlog.get_logger(__name__)


class DatabaseProbe:
    """Asks PostgreSQL for a sign of life twice a second, on a connection of its own.

    A server can answer and yet store nothing. Trying that all the time would be dear, so it is
    tried when somebody doubts it, and then again and again until it works.

    Args:
        dsn: `postgresql://` URL.
        rehearse: stores a task and takes it back, the way tasks are stored; raises if that fails.

    Attributes:
        connected: whether the last question was answered; at most about a second old.
        failing: whether it answers and cannot store a task.
        reason: why it is not connected or failing; else empty.
    """

    def __init__(self, dsn: str, rehearse: Callable[[], Awaitable[None]]) -> None:
        self._dsn = dsn
        self._rehearse = rehearse
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._doubted = asyncio.Event()
        self.connected = False
        self.failing = False
        self.reason = "PostgreSQL has not been asked yet"

    async def start(self) -> None:
        """Ask for the first time, then go on in the background."""
        await self._ask()
        self._task = asyncio.create_task(self._keep_asking(), name="database-probe")

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._hang_up()

    def doubt(self) -> None:
        """Say that something could not be stored: have a look at it, now."""
        self._doubted.set()

    async def _keep_asking(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERIOD_SECONDS):
                    await self._doubted.wait()
            doubted = self.failing or self._doubted.is_set()
            self._doubted.clear()
            await self._ask()
            if doubted and self.connected:
                await self._try_to_store()
            if self.failing:
                await asyncio.sleep(PERIOD_SECONDS)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if self._connection is None:
                    self._connection = await connect(self._dsn, "ketlog-api-probe")
                    await self._connection.execute("SELECT FROM tasks LIMIT 0")
                await self._connection.execute("SELECT 1")
        except Exception as error:  # noqa: BLE001 - whatever went wrong, there is no sign of life
            self._hang_up()
            self._complain(error, "PostgreSQL is away")
            self.connected = False
        else:
            if not self.connected:
                _log.info("Connected to PostgreSQL")
            self.connected = True
            if not self.failing:
                self.reason = ""

    async def _try_to_store(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._rehearse()
        except Exception as error:  # noqa: BLE001 - whatever went wrong, nothing can be stored
            self._complain(error, "PostgreSQL stores nothing")
            self.failing = True
        else:
            if self.failing:
                _log.info("PostgreSQL stores tasks again")
            self.failing, self.reason = False, ""

    def _complain(self, error: Exception, otherwise: str) -> None:
        reason = _reason(error, otherwise)
        if reason != self.reason:
            _log.warning(reason, error=first_line(error))
        self.reason = reason

    def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.terminate()
            self._connection = None


class QueueProbe:
    """What is known of RabbitMQ: whether it answers, and whether it takes messages."""

    def __init__(self, broker: BrokerProbe, alarm: AlarmProbe) -> None:
        self._broker = broker
        self._alarm = alarm

    @property
    def connected(self) -> bool:
        """Whether it answered within the last second."""
        return self._broker.connected

    @property
    def blocked(self) -> bool:
        """Whether it has an alarm."""
        return self._alarm.blocked

    async def start(self) -> None:
        """Begin to look, in the background."""
        await self._broker.start()
        await self._alarm.start()

    async def close(self) -> None:
        """Stop looking."""
        await asyncio.gather(self._broker.close(), self._alarm.close())


def _reason(error: Exception, otherwise: str) -> str:
    cause = error.__cause__ if isinstance(error, KetlogError) else error
    for kinds, reason in _REASONS:
        if isinstance(cause, kinds):
            return reason
    return otherwise
