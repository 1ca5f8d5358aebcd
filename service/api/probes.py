"""Looks at PostgreSQL in the background, so that health answers never wait for it."""

import asyncio
import contextlib
from typing import Final

import asyncpg
import structlog

from infrastructure.postgres.connect import connect
from infrastructure.telemetry.logging import first_line

PERIOD_SECONDS: Final = 0.5
TIMEOUT_SECONDS: Final = 1.0
_SCHEMA_MISSING = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.InsufficientPrivilegeError,
)

_log = structlog.get_logger(__name__)


class DatabaseProbe:
    """Asks PostgreSQL for a sign of life twice a second, on a connection of its own.

    Attributes:
        connected: whether the last question was answered; at most about a second old.
        reason: why not, and what to do about it; empty while connected.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self.connected = False
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

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            await self._ask()

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if self._connection is None:
                    self._connection = await connect(self._dsn, "ketlog-api-probe")
                    await self._connection.execute("SELECT FROM tasks LIMIT 0")
                await self._connection.execute("SELECT 1")
        except Exception as error:  # noqa: BLE001 - whatever went wrong, there is no sign of life
            self._hang_up()
            reason = _reason(error)
            if reason != self.reason:
                _log.warning(reason, error=first_line(error))
            self.connected, self.reason = False, reason
        else:
            if not self.connected:
                _log.info("Connected to PostgreSQL")
            self.connected, self.reason = True, ""

    def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.terminate()
            self._connection = None


def _reason(error: Exception) -> str:
    """Return what a client may know: no addresses, no names of users."""
    if isinstance(error, _SCHEMA_MISSING):
        return "the schema is not in the database, run `make migrate`"
    if isinstance(error, TimeoutError):
        return f"PostgreSQL did not answer within {TIMEOUT_SECONDS:g} s"
    return "PostgreSQL is away"
