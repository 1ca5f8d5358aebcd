"""Connections to PostgreSQL: one place for roles, time limits and what counts as "away".

The quickstart's URL names the owner of the database. Processes work in a role that may only add to
the log, which they take on connecting, so the same URL serves.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from domain.errors import StoreUnavailable
from infrastructure.postgres.pool import ConnectionPool
from infrastructure.telemetry import metrics

APPLICATION_ROLE = "ketlog_app"
CONNECT_TIMEOUT_SECONDS = 2.0
STATEMENT_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 4_000
MEND_SECONDS = 1.0

Connection: TypeAlias = asyncpg.Connection

UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starts, shuts down, crashed, ran out of time
    asyncpg.InsufficientResourcesError,  # disk, memory, connections
    asyncpg.PostgresSystemError,  # the disk or the system under it failed
    asyncpg.TransactionRollbackError,  # deadlocks, and recovery on a standby
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What PostgreSQL or the way to it does when it is away, overloaded or going down: try again.

After a refusal of the server nothing of the transaction is stored. `event_log` knows the few that
say nothing about it.
"""


def server_settings(application_name: str) -> dict[str, str]:
    """Return the session settings of every connection; times in milliseconds.

    The tables are read and written by key alone. Plans made while they were empty must not turn
    into sequential scans when they are not, so those are ruled out.
    """
    return {
        "application_name": application_name,
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
        "jit": "off",
        "timezone": "UTC",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
    }


async def prepare(connection: Connection) -> None:
    """Take the application's role and bound whole transactions where the server can (17+)."""
    await connection.execute(f"SET ROLE {APPLICATION_ROLE}")
    if connection.get_server_version().major >= 17:  # noqa: PLR2004 - the release that brought it
        await connection.execute(f"SET transaction_timeout = {2 * STATEMENT_TIMEOUT_MS}")


async def connect(dsn: str, application_name: str, **settings: str) -> asyncpg.Connection:
    """Open one connection of its own, for what must not come from the pool (LISTEN, leadership).

    Raises:
        StoreUnavailable: PostgreSQL cannot be reached or refuses connections now.
    """
    async with translated_errors():
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            server_settings=server_settings(application_name) | settings,
        )
        try:
            await prepare(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection


async def connect_as_owner(dsn: str, application_name: str) -> asyncpg.Connection:
    """Open a connection for administration: in the role of the URL, without its time limits.

    Raises:
        StoreUnavailable: PostgreSQL cannot be reached or refuses connections now.
    """
    async with translated_errors():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            server_settings={
                "application_name": application_name,
                "jit": "off",
                "timezone": "UTC",
                "client_min_messages": "warning",
                "tcp_keepalives_idle": "5",
                "tcp_keepalives_interval": "2",
                "tcp_keepalives_count": "3",
            },
        )


class Database:
    """A pool that opens when PostgreSQL is there, and says `StoreUnavailable` when it is not.

    Args:
        dsn: `postgresql://` URL.
        size: most connections at a time.
        application_name: shown in `pg_stat_activity`.
    """

    def __init__(self, dsn: str, *, size: int, application_name: str) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._pool = ConnectionPool(self._open, size)
        self._mending: set[asyncio.Task[None]] = set()

    @property
    def dsn(self) -> str:
        """The URL this database was made with."""
        return self._dsn

    @asynccontextmanager
    async def connection(self, wait_seconds: float = 2.0) -> AsyncIterator[Connection]:
        """Lend a connection.

        Args:
            wait_seconds: longest wait for a free one.

        Raises:
            StoreUnavailable: PostgreSQL is away, or every connection stayed busy.
        """
        async with translated_errors():
            connection = await self._acquire(wait_seconds)
            try:
                yield connection
            except (StoreUnavailable, *UNREACHABLE):
                # It may be in the middle of something that nobody will ever read.
                connection.terminate()
                self._pool.release(connection)
                raise
            except asyncpg.PostgresError:
                self._pool.release(connection)
                raise
            except BaseException:
                self._mend_soon(connection)
                raise
            self._pool.release(connection)

    @property
    def connections(self) -> dict[str, float]:
        """How many connections there are, by what they do: `idle` or `busy`."""
        return {"idle": self._pool.idle, "busy": self._pool.busy}

    async def ping(self) -> None:
        """Ask for an answer; raises `StoreUnavailable` when none comes."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    async def close(self, grace_seconds: float = 2.0) -> None:
        """Close all connections, the busy ones too once `grace_seconds` have passed."""
        await self._pool.close(grace_seconds)

    async def _open(self) -> Connection:
        return await connect(self._dsn, self._application_name)

    async def _acquire(self, wait_seconds: float) -> Connection:
        asked = time.perf_counter()
        try:
            return await self._pool.acquire(wait_seconds)
        except TimeoutError:
            metrics.POOL_TIMEOUTS.inc()
            raise
        finally:
            metrics.POOL_WAIT.observe(time.perf_counter() - asked)

    def _mend_soon(self, connection: Connection) -> None:
        """Let others have a connection whose query was given up only once it answers again."""
        mending = asyncio.create_task(self._mend(connection))
        self._mending.add(mending)
        mending.add_done_callback(self._mending.discard)

    async def _mend(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(MEND_SECONDS):
                await connection.execute("SELECT 1")
        except (*UNREACHABLE, asyncpg.PostgresError):
            connection.terminate()
        finally:
            self._pool.release(connection)


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Turn what PostgreSQL raises when it is away into `StoreUnavailable`."""
    try:
        yield
    except UNREACHABLE as error:
        raise StoreUnavailable(f"PostgreSQL is away: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Return an error's class and first line, which never holds a row's content."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
