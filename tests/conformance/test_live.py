"""One suite for every implementation of the queries that look at what is new."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from domain.identifiers import uuid7
from domain.live import LiveQueries
from domain.log import LogFilter
from domain.ports import EventLog, HistoryQueries
from infrastructure.memory import MemoryStore
from infrastructure.memory.history import MemoryHistory
from infrastructure.memory.live import MemoryLive
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.history import PostgresHistory
from infrastructure.postgres.live import PostgresLive
from tests.support import tasks


@dataclass
class Store:
    log: EventLog
    history: HistoryQueries
    live: LiveQueries


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        twin = MemoryStore()
        yield Store(twin, MemoryHistory(twin), MemoryLive(twin))
        return
    dsn = request.getfixturevalue("database_url")
    database = Database(dsn, size=4, application_name="conformance")
    yield Store(PostgresEventLog(database), PostgresHistory(database), PostgresLive(database))
    await database.close()


async def test_behind_the_tip_is_what_comes_later_and_nothing_else(store: Store) -> None:
    await tasks.processing(store.log)
    tip = await store.live.tip()
    assert list(await store.live.follow(tip, 10)) == []
    task = await tasks.processing(store.log)
    expected = await store.history.events_of(task.task_id, 0, 10)
    assert list(await store.live.follow(tip, 10)) == expected
    assert list(await store.live.follow(tip, 1)) == expected[:1]
    # The same place serves those who look back.
    page = await store.history.page(tip, 10, LogFilter())
    assert list(page.events) == expected


async def test_the_tip_of_an_empty_log_is_before_everything(store: Store) -> None:
    tip = await store.live.tip()
    task = await tasks.submitted(store.log)
    assert [event.stored.task_id for event in await store.live.follow(tip, 10)] == [task.task_id]


async def test_news_are_what_happened_above_the_versions_known(store: Store) -> None:
    first, second, other = [await tasks.processing(store.log) for _ in range(3)]
    await tasks.put(store.log, tasks.completion(first, {"0": 1024}))
    known = {first.task_id: 1, second.task_id: 2, uuid7(): 0}
    expected = await store.history.events_of(first.task_id, 1, 10)
    assert [event.stored.type for event in expected] == ["ProcessingStarted", "TaskCompleted"]
    assert list(await store.live.news(known, 10)) == expected
    both = list(await store.live.news(known | {other.task_id: 0}, 10))
    assert sorted(both, key=lambda event: event.stored.position) == sorted(
        [*expected, *await store.history.events_of(other.task_id, 0, 10)],
        key=lambda event: event.stored.position,
    )


async def test_news_that_are_too_many_come_in_pieces_without_a_gap(store: Store) -> None:
    made = [await tasks.processing(store.log) for _ in range(3)]
    known = {task.task_id: 0 for task in made}
    seen = []
    while news := await store.live.news(known, 4):
        assert len(news) <= 4
        for event in news:
            assert event.stored.version == known[event.stored.task_id] + 1
            known[event.stored.task_id] = event.stored.version
            seen.append(event.stored.event_id)
    assert len(set(seen)) == len(seen) == 6
