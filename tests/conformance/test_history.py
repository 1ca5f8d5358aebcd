"""One suite for every implementation of the queries that look back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from domain.identifiers import uuid7
from domain.log import LogCursor, LogFilter, LoggedEvent
from domain.payloads import Payload, PayloadKind
from domain.ports import EventLog, HistoryQueries
from infrastructure.memory import MemoryStore
from infrastructure.memory.history import MemoryHistory
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.history import PostgresHistory
from tests.support import tasks

EVERYTHING = LogFilter()


@dataclass
class Store:
    log: EventLog
    history: HistoryQueries


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        twin = MemoryStore()
        yield Store(twin, MemoryHistory(twin))
        return
    dsn = request.getfixturevalue("database_url")
    database = Database(dsn, size=4, application_name="conformance")
    yield Store(PostgresEventLog(database), PostgresHistory(database))
    await database.close()


async def everything(
    store: Store, chosen: LogFilter = EVERYTHING, limit: int = 3
) -> list[LoggedEvent]:
    """Read the whole log in pages."""
    events: list[LoggedEvent] = []
    cursor = LogCursor()
    while True:
        page = await store.history.page(cursor, limit, chosen)
        assert len(page.events) <= limit
        events += page.events
        if page.complete:
            return events
        assert page.cursor > cursor
        cursor = page.cursor


def types(events: list[LoggedEvent]) -> list[str]:
    return [event.stored.type for event in events]


async def test_the_events_of_a_task_come_with_what_is_kept_beside_them(store: Store) -> None:
    task = await tasks.processing(store.log)
    await tasks.put(store.log, tasks.completion(task, {"0": 1024}))
    await tasks.submitted(store.log)
    events = await store.history.events_of(task.task_id, 0, 10)
    assert [event.stored for event in events] == await store.log.stream(task.task_id)
    assert {event.contents for event in events} == {
        frozenset({PayloadKind.CIRCUIT, PayloadKind.RESULT})
    }
    assert types(await store.history.events_of(task.task_id, 1, 1)) == ["ProcessingStarted"]
    assert await store.history.events_of(task.task_id, 3, 10) == []
    assert await store.history.events_of(uuid7(), 0, 10) == []


async def test_the_log_comes_in_pages_in_its_order_without_a_gap(store: Store) -> None:
    for _ in range(4):
        await tasks.processing(store.log)
    events = await everything(store)
    assert [event.stored for event in events] == await store.log.read(LogCursor(), 100)
    assert len(events) == 8


async def test_a_page_that_is_just_full_does_not_claim_to_be_the_last(store: Store) -> None:
    for _ in range(3):
        await tasks.submitted(store.log)
    page = await store.history.page(LogCursor(), 3, EVERYTHING)
    assert (len(page.events), page.complete) == (3, False)
    page = await store.history.page(page.cursor, 3, EVERYTHING)
    assert (page.events, page.complete) in [((), True), ([], True)]


async def test_an_empty_log_is_complete(store: Store) -> None:
    page = await store.history.page(LogCursor(), 3, EVERYTHING)
    assert (list(page.events), page.cursor, page.complete) == ([], LogCursor(), True)


async def test_a_reader_goes_on_where_it_was_when_more_has_happened(store: Store) -> None:
    await tasks.submitted(store.log)
    page = await store.history.page(LogCursor(), 3, EVERYTHING)
    assert page.complete
    later = await tasks.submitted(store.log)
    page = await store.history.page(page.cursor, 3, EVERYTHING)
    assert [event.stored.task_id for event in page.events] == [later.task_id]


async def test_events_are_chosen_by_type(store: Store) -> None:
    for _ in range(4):
        await tasks.processing(store.log)
    chosen = LogFilter(types=frozenset({"ProcessingStarted", "TaskFailed"}))
    assert types(await everything(store, chosen)) == ["ProcessingStarted"] * 4
    assert await everything(store, LogFilter(types=frozenset({"TaskFailed"}))) == []


async def test_events_are_chosen_by_time(store: Store) -> None:
    for _ in range(5):
        await tasks.submitted(store.log)
    all_events = await everything(store)
    times = [event.stored.recorded_at for event in all_events]
    chosen = LogFilter(since=times[1], until=times[4])
    assert await everything(store, chosen) == [
        event for event in all_events if times[1] <= event.stored.recorded_at < times[4]
    ]


async def test_events_are_chosen_by_correlation_id(store: Store) -> None:
    for name in ("mine", "other", "mine", "mine", "other"):
        task_id = (await tasks.put(store.log, tasks.submission(correlation_id=name))).task_id
        await tasks.put(store.log, tasks.claim(await tasks.load(store.log, task_id)))
    mine = await everything(store, LogFilter(correlation_id="mine"), limit=4)
    assert types(mine) == ["TaskSubmitted", "ProcessingStarted"] * 3
    claims = LogFilter(types=frozenset({"ProcessingStarted"}), correlation_id="mine")
    assert types(await everything(store, claims, limit=2)) == ["ProcessingStarted"] * 3
    assert await everything(store, LogFilter(correlation_id="nobody's")) == []
    page = await store.history.page(LogCursor(), 100, LogFilter(correlation_id="mine"))
    assert page.complete
    again = await store.history.page(page.cursor, 100, LogFilter(correlation_id="mine"))
    assert (list(again.events), again.complete) == ([], True)


async def test_a_tenant_reads_the_events_of_its_own_tasks_alone(store: Store) -> None:
    ids: dict[str, list[UUID]] = {}
    for number in range(8):
        tenant = ("physics", "", "chemistry")[number % 3]
        task_id = (await tasks.put(store.log, tasks.submission(tenant=tenant))).task_id
        await tasks.put(store.log, tasks.claim(await tasks.load(store.log, task_id)))
        ids.setdefault(tenant, []).append(task_id)
    for tenant, own in ids.items():
        seen = await everything(store, LogFilter(tenant=tenant), limit=2)
        assert [event.stored.task_id for event in seen] == [i for i in own for _ in range(2)]
        page = await store.history.page(LogCursor(), 100, LogFilter(tenant=tenant))
        assert (list(page.events), page.complete) == (seen, True)
        by_name = LogFilter(tenant=tenant, correlation_id="a-correlation-id")
        assert await everything(store, by_name) == seen
        claims = LogFilter(tenant=tenant, types=frozenset({"ProcessingStarted"}))
        assert types(await everything(store, claims)) == ["ProcessingStarted"] * len(own)
    assert await everything(store, LogFilter(tenant="nobody")) == []
    assert len(await everything(store, LogFilter(tenant=None))) == 16


async def test_a_task_of_another_tenant_has_no_events(store: Store) -> None:
    task_id = (await tasks.put(store.log, tasks.submission(tenant="physics"))).task_id
    for tenant in ("chemistry", "", "*"):
        assert await store.history.events_of(task_id, 0, 10, tenant) == []
        assert await store.log.stream(task_id, tenant) == []
    for who in ("physics", None):
        assert len(await store.history.events_of(task_id, 0, 10, who)) == 1
        assert len(await store.log.stream(task_id, who)) == 1


async def test_the_outcome_is_what_the_run_came_to(store: Store) -> None:
    task = await tasks.processing(store.log)
    assert await store.history.outcome(task.task_id) == {}
    completion = tasks.completion(task, {"0": 1024})
    memory = Payload(PayloadKind.MEMORY, b'["0"]')
    await tasks.put(store.log, replace(completion, payloads=(*completion.payloads, memory)))
    assert await store.history.outcome(task.task_id) == {
        PayloadKind.RESULT: b'{"0":1024}',
        PayloadKind.MEMORY: b'["0"]',
    }
