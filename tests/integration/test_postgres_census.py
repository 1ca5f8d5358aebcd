"""Counting tasks by status, at a cost that does not grow with the log."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from domain.labels import Labels
from domain.task import Cancel
from infrastructure.postgres import census as module
from infrastructure.postgres import migrate
from infrastructure.postgres.census import Census, PostgresCensus
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.statements import statement
from tests.support import tasks
from tests.support.waiting import eventually


@dataclass
class Counted:
    """A log and the counts of its tasks."""

    database: Database
    log: PostgresEventLog
    counts: PostgresCensus

    async def everything(self) -> Census:
        """The counts once no reader of the log is held up."""
        seen = await self.counts.take()

        async def readable() -> bool:
            nonlocal seen
            seen = await self.counts.take()
            return seen.hidden_seconds == 0

        await eventually(readable)
        while await self.counts.count_ended():
            pass
        return await self.counts.take()


@pytest.fixture
async def counted(database_url: str) -> AsyncIterator[Counted]:
    database = Database(database_url, size=3, application_name="test")
    yield Counted(database, PostgresEventLog(database), PostgresCensus(database))
    await database.close()


async def one_of_each(log: PostgresEventLog) -> None:
    await tasks.submitted(log)
    await tasks.processing(log)
    for _ in range(2):
        await tasks.put(log, tasks.completion(await tasks.processing(log), {"0": 1}))
    await tasks.put(log, tasks.failure(await tasks.processing(log)))
    await tasks.put(log, tasks.following(await tasks.submitted(log), Cancel("not needed")))


def ended(census: Census) -> tuple[int, int, int]:
    return census.completed, census.failed, census.cancelled


async def test_tasks_are_counted_by_status(counted: Counted) -> None:
    await one_of_each(counted.log)
    seen = await counted.everything()
    assert (seen.waiting, seen.dispatched, seen.processing) == (1, 0, 1)
    assert ended(seen) == (2, 1, 1)
    assert seen.oldest_seconds > 0
    outbox = PostgresOutbox(counted.database)
    await outbox.record_dispatched(await outbox.choose(10))
    later = await counted.counts.take()
    assert (later.waiting, later.dispatched) == (0, 1)
    assert later.oldest_seconds > seen.oldest_seconds


async def test_nothing_is_counted_twice_and_nothing_left_out(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVENTS_AT_A_TIME", 3)
    await one_of_each(counted.log)
    assert ended(await counted.everything()) == (2, 1, 1)
    assert not await counted.counts.count_ended()
    await one_of_each(counted.log)
    assert ended(await counted.everything()) == (4, 2, 2)


async def test_a_task_that_is_held_does_not_wait_yet(counted: Counted) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await tasks.put(counted.log, tasks.submission(labels=Labels(not_before=tomorrow)))
    seen = await counted.counts.take()
    assert (seen.waiting, seen.held, seen.oldest_seconds) == (0, 1, 0)


async def test_a_backlog_is_counted_up_to_a_bound(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_COUNTED", 2)
    for _ in range(3):
        await tasks.submitted(counted.log)
    assert (await counted.counts.take()).waiting == 2


async def test_an_open_transaction_shows_as_lag_and_its_followers_are_not_counted_yet(
    counted: Counted, database_url: str
) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("CREATE TABLE unrelated (id integer)")
        await tasks.put(counted.log, tasks.failure(await tasks.processing(counted.log)))
        seen = await counted.counts.take()
        assert seen.hidden_seconds > 0
        assert seen.oldest_open < seen.next_transaction
        assert not await counted.counts.count_ended()
        assert (await counted.counts.take()).failed == 0
        other.rollback()
    assert (await counted.everything()).failed == 1


async def test_a_restored_log_is_counted_anew(counted: Counted, database_url: str) -> None:
    await one_of_each(counted.log)
    await counted.everything()
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER events_are_final")
        connection.execute("UPDATE events SET xid = '9000000000'")
        connection.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_final")
        connection.execute("UPDATE task_totals SET xid = '9000000000'")
    migrate.settle_transactions(database_url)
    await one_of_each(counted.log)
    assert ended(await counted.everything()) == (4, 2, 2)


async def test_counting_goes_along_an_index(counted: Counted) -> None:
    async with counted.database.connection() as connection:
        await connection.execute(f"PREPARE counting AS {statement('count_ended')}")
        lines = [row[0] for row in await connection.fetch("EXPLAIN EXECUTE counting (10)")]
    (scan,) = (line for line in lines if "on events" in line)
    assert "Index Scan using events_log_order" in scan
    (condition,) = (line for line in lines if "ROW(xid" in line)
    assert "Index Cond" in condition
    assert "xid < pg_snapshot_xmin" in condition
