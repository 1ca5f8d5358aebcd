"""The connection to PostgreSQL breaks while a commit is under way, at every bad moment."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.errors import OutcomeUnknown, StoreUnavailable
from domain.log import Appended
from infrastructure.group_commit import GroupCommit
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from tests.support import tasks
from tests.support.tcp_proxy import TcpProxy, proxied


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    async with proxied(database_url) as proxy:
        yield proxy


@pytest.fixture
async def log(database_url: str, proxy: TcpProxy) -> AsyncIterator[PostgresEventLog]:
    """The event log as a process behind the proxy sees it, with an open connection."""
    database = Database(proxy.url(database_url), size=2, application_name="behind the proxy")
    await database.ping()
    yield PostgresEventLog(database)
    await database.close()


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[PostgresEventLog]:
    """The event log as it is."""
    database = Database(database_url, size=2, application_name="beside the proxy")
    yield PostgresEventLog(database)
    await database.close()


async def test_an_answer_that_got_lost_leaves_the_outcome_unknown(
    log: PostgresEventLog, truth: PostgresEventLog, proxy: TcpProxy
) -> None:
    append = tasks.submission()
    await tasks.put(log, tasks.submission())
    proxy.swallowing = True
    call = asyncio.create_task(log.append([append]))
    await asyncio.wait_for(proxy.swallowed.wait(), 5)
    proxy.cut()
    with pytest.raises(OutcomeUnknown):
        await asyncio.wait_for(call, 5)
    assert len(await truth.stream(append.task_id)) == 1, "the commit had happened"


async def test_group_commit_settles_a_commit_whose_answer_got_lost(
    log: PostgresEventLog, truth: PostgresEventLog, proxy: TcpProxy
) -> None:
    commits = GroupCommit(log)
    await commits.start()
    await commits.append(tasks.submission())
    append = tasks.submission()
    proxy.swallowing = True
    call = asyncio.create_task(commits.append(append, deadline=10))
    await asyncio.wait_for(proxy.swallowed.wait(), 5)
    proxy.swallowing = False
    proxy.cut()
    assert isinstance(await asyncio.wait_for(call, 10), Appended)
    assert len(await truth.stream(append.task_id)) == 1
    await commits.close()


async def test_a_connection_cut_again_and_again_loses_and_doubles_nothing(
    log: PostgresEventLog, truth: PostgresEventLog, proxy: TcpProxy
) -> None:
    commits = GroupCommit(log)
    await commits.start()
    appends = [tasks.submission() for _ in range(300)]
    done = asyncio.Event()

    async def cut_often() -> None:
        while not done.is_set():
            await asyncio.sleep(0.15)
            proxy.cut()

    cutting = asyncio.create_task(cut_often())
    async with asyncio.timeout(60):
        for start in range(0, len(appends), 10):
            batch = appends[start : start + 10]
            results = await asyncio.gather(*(commits.append(append) for append in batch))
            assert all(isinstance(result, Appended) for result in results)
    done.set()
    await cutting
    for append in appends:
        assert len(await truth.stream(append.task_id)) == 1
    await commits.close()


async def test_a_database_that_went_silent_is_answered_within_the_deadline(
    log: PostgresEventLog, truth: PostgresEventLog, proxy: TcpProxy
) -> None:
    commits = GroupCommit(log)
    await commits.start()
    await commits.append(tasks.submission())
    append = tasks.submission()
    proxy.go_silent()
    async with asyncio.timeout(3):
        with pytest.raises((OutcomeUnknown, StoreUnavailable)):
            await commits.append(append, deadline=0.5)
    assert await truth.stream(append.task_id) == []
    proxy.speak_again()
    await commits.close()


async def test_retrying_waits_for_the_old_transaction_and_finds_its_event(
    database_url: str, truth: PostgresEventLog
) -> None:
    """A look-up would find nothing here, and be wrong a moment later."""
    append = tasks.submission()
    old = await asyncpg.connect(database_url)
    blocker = old.transaction()
    await blocker.start()
    await old.execute(
        "INSERT INTO tasks (task_id, version, head_hash, head_recorded_at, current_status, shots,"
        " attempt, submitted_at, correlation_id)"
        " VALUES ($1, 1, $2, now(), 'pending', 1, 0, now(), 'c')",
        append.task_id,
        bytes(32),
    )
    await old.execute(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, hash) VALUES ($1, $2, 1, 'TaskSubmitted', 1, '{}', '{}', now(), $3)",
        append.event_id,
        append.task_id,
        bytes(32),
    )
    retry = asyncio.create_task(truth.append([append]))
    done, _ = await asyncio.wait([retry], timeout=0.3)
    assert not done, "the retry must wait until the old transaction has ended"
    await blocker.commit()
    (result,) = await asyncio.wait_for(retry, 5)
    assert isinstance(result, Appended)
    assert result.event_id == append.event_id
    await old.close()
