"""Connections: what they are set to, who gets one, and what happens when PostgreSQL is away."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from domain.errors import StoreUnavailable
from infrastructure.postgres import connect as connecting
from infrastructure.postgres.connect import (
    Database,
    connect,
    connect_as_owner,
    describe,
    prepare,
    translated_errors,
)
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import eventually

ABSENT = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    async with proxied(database_url) as made:
        yield made


@pytest.fixture
async def database(database_url: str, proxy: TcpProxy) -> AsyncIterator[Database]:
    database = Database(proxy.url(database_url), size=2, application_name="test")
    yield database
    await database.close(0.1)


async def sessions(url: str, application_name: str) -> int:
    connection = await connect_as_owner(url, "a look at the sessions")
    count = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", application_name
    )
    await connection.close()
    return int(count)


async def test_a_connection_of_its_own_can_have_settings_of_its_own(database_url: str) -> None:
    connection = await connect(database_url, "test", statement_timeout="1234")
    assert await connection.fetchval("SHOW statement_timeout") == "1234ms"
    await connection.close()


async def test_the_owner_works_in_its_own_role_without_a_time_limit(database_url: str) -> None:
    connection = await connect_as_owner(database_url, "test")
    assert await connection.fetchval("SELECT current_user = session_user")
    assert await connection.fetchval("SHOW statement_timeout") == "0"
    await connection.close()


async def test_a_connection_that_cannot_take_its_role_is_not_left_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "APPLICATION_ROLE", "nobody_of_that_name")
    with pytest.raises(asyncpg.PostgresError, match="nobody_of_that_name"):
        await connect(database_url, "without a role")

    async def gone() -> bool:
        return await sessions(database_url, "without a role") == 0

    await eventually(gone)


@pytest.mark.parametrize(("major", "bounded"), [(16, False), (17, True)])
async def test_whole_transactions_are_bounded_where_the_server_can(
    major: int, bounded: bool
) -> None:
    said: list[str] = []

    async def execute(command: str) -> None:
        said.append(command)

    connection: Any = SimpleNamespace(
        execute=execute, get_server_version=lambda: SimpleNamespace(major=major)
    )
    await prepare(connection)
    assert said[0] == "SET ROLE ketlog_app"
    assert any("transaction_timeout" in command for command in said) is bounded


async def test_an_absent_server_is_reported_in_every_way_to_reach_it() -> None:
    with pytest.raises(StoreUnavailable, match="PostgreSQL is away"):
        await connect(ABSENT, "test")
    with pytest.raises(StoreUnavailable, match="PostgreSQL is away"):
        await connect_as_owner(ABSENT, "test")
    database = Database(ABSENT, size=2, application_name="test")
    with pytest.raises(StoreUnavailable, match="PostgreSQL is away"):
        await database.ping()
    await database.close()


async def test_a_pool_tells_its_idle_connections_from_the_busy_ones(database: Database) -> None:
    assert database.connections == {"idle": 0, "busy": 0}
    async with database.connection():
        assert database.connections == {"idle": 0, "busy": 1}
    assert database.connections == {"idle": 1, "busy": 0}


async def test_those_who_come_at_once_share_few_connections(database: Database) -> None:
    await asyncio.gather(*(database.ping() for _ in range(5)))
    assert database.connections == {"idle": 2, "busy": 0}


async def test_a_cut_connection_is_reported_and_the_next_one_works(
    database: Database, proxy: TcpProxy
) -> None:
    async def cut_off() -> None:
        async with database.connection() as connection:
            proxy.cut()
            await connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable, match="PostgreSQL is away"):
        await cut_off()
    await database.ping()


async def test_another_error_leaves_the_connection_in_the_pool(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.connection() as connection:
            await connection.execute("SELECT FROM no_such_table")
    assert database.connections == {"idle": 1, "busy": 0}


async def test_a_query_given_up_on_a_silent_server_holds_nobody_up(
    database: Database, proxy: TcpProxy
) -> None:
    begun = asyncio.Event()

    async def query() -> None:
        async with database.connection() as connection:
            begun.set()
            await connection.execute("SELECT pg_sleep(60)")

    querying = asyncio.create_task(query())
    await begun.wait()
    proxy.go_silent()
    querying.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await querying
    proxy.speak_again()
    await database.ping()


async def test_closing_waits_for_no_one_who_keeps_a_connection(database: Database) -> None:
    async def go_on() -> None:
        async with database.connection() as connection:
            async with asyncio.timeout(5):
                await database.close(0.05)
            await connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable, match="PostgreSQL is away"):
        await go_on()
    assert database.connections == {"idle": 0, "busy": 0}


async def test_a_closed_database_opens_again_when_it_is_asked(
    database: Database, database_url: str, proxy: TcpProxy
) -> None:
    await database.ping()
    await database.close()
    await database.ping()
    assert database.dsn == proxy.url(database_url)


@pytest.mark.parametrize(
    ("error", "description"),
    [
        (OSError("no route\nDETAIL: a row"), "OSError: no route"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_is_described_by_its_first_line_alone(error: Exception, description: str) -> None:
    assert describe(error) == description


@pytest.mark.parametrize(
    "refusal",
    [
        asyncpg.DiskFullError,
        asyncpg.TooManyConnectionsError,
        asyncpg.OutOfMemoryError,
        asyncpg.PostgresIOError,
        asyncpg.CannotConnectNowError,
        asyncpg.CrashShutdownError,
        asyncpg.QueryCanceledError,
        asyncpg.TransactionTimeoutError,
        asyncpg.SerializationError,
        asyncpg.ReadOnlySQLTransactionError,
        ConnectionResetError,
        TimeoutError,
    ],
)
async def test_what_passes_by_itself_is_worth_another_try(refusal: type[Exception]) -> None:
    with pytest.raises(StoreUnavailable, match=refusal.__name__):
        async with translated_errors():
            raise refusal("something is short")


async def test_a_mistake_of_ours_is_not_taken_for_an_absence() -> None:
    with pytest.raises(asyncpg.UndefinedColumnError):
        async with translated_errors():
            raise asyncpg.UndefinedColumnError("no such column")
