"""Who is taken for dead, when, and what becomes of the task."""

import asyncio
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.errors import InvalidEvent, StoreUnavailable
from domain.log import History
from domain.ports import ExpiredLease
from domain.status import Status
from infrastructure.memory.store import MemoryStore
from relay.reaper import Grace, Reaper
from tests.support import tasks
from tests.support.waiting import eventually

LEASE = 2.5


class Clock:
    """The database's clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FlakyStore(MemoryStore):
    """A store that may be away, and may hold histories that cannot be read."""

    away = False
    unreadable: UUID | None = None
    looks = 0

    async def expired(self, limit: int) -> list[ExpiredLease]:
        self.looks += 1
        if self.away:
            raise StoreUnavailable("the test has taken it away")
        return await super().expired(limit)

    async def histories(self, task_ids: Collection[UUID]) -> dict[UUID, History]:
        if self.unreadable in task_ids:
            raise InvalidEvent("written by nobody we know")
        return await super().histories(task_ids)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> FlakyStore:
    return FlakyStore(clock=clock)


def reaper(
    store: MemoryStore, max_attempts: int = 3, on_requeued: Callable[[], None] = lambda: None
) -> Reaper:
    """A reaper whose grace is over."""
    made = Reaper(store, store, LEASE, max_attempts, on_requeued)
    made._grace = Grace(0.0, 1.5)
    return made


async def test_a_task_whose_lease_ran_out_is_pending_again(store: FlakyStore, clock: Clock) -> None:
    requeued: list[bool] = []
    task = await tasks.processing(store, "worker-7", LEASE)
    clock.advance(LEASE + 0.1)
    assert await reaper(store, on_requeued=lambda: requeued.append(True)).round() == 1
    view = await store.view(task.task_id)
    assert view is not None
    assert view.status is Status.PENDING
    assert view.history[-1].notes == "Task requeued: worker_lost"
    assert requeued
    (row,) = await store.choose(10)
    assert row.task_id == task.task_id


async def test_the_event_belongs_to_the_submission(store: FlakyStore, clock: Clock) -> None:
    task = await tasks.processing(store, "worker-7", LEASE)
    clock.advance(LEASE + 0.1)
    await reaper(store).round()
    last = (await store.histories([task.task_id]))[task.task_id].events[-1]
    assert last.metadata.correlation_id == task.metadata.correlation_id
    assert last.metadata.causation_id == task.last_event_id
    assert last.metadata.actor == "relay"


async def test_a_relay_that_stands_by_watches_and_acts_when_it_leads(
    store: FlakyStore, clock: Clock
) -> None:
    leads = False
    made = Reaper(store, store, LEASE, 3, lambda: None, leads=lambda: leads)
    made._grace = Grace(LEASE, 1.5)
    await tasks.processing(store, "worker-7", LEASE)
    clock.advance(LEASE + 0.1)
    now = time.monotonic()
    for seconds_ago in (LEASE + 0.5, LEASE - 0.5, 0.5):
        made._grace.over(now - seconds_ago)
    assert await made.round() == 0
    leads = True
    assert await made.round() == 1


async def test_a_lease_that_holds_is_left_alone(store: FlakyStore, clock: Clock) -> None:
    await tasks.processing(store, "worker-7", LEASE)
    clock.advance(LEASE - 0.1)
    assert await reaper(store).round() == 0


async def test_the_last_attempt_ends_in_failed(store: FlakyStore, clock: Clock) -> None:
    task = await tasks.submitted(store)
    for _ in range(2):
        await tasks.put(store, tasks.claim(await tasks.load(store, task.task_id), "w", LEASE))
        clock.advance(LEASE + 0.1)
        assert await reaper(store, max_attempts=2).round() == 1
    view = await store.view(task.task_id)
    assert view is not None
    assert view.status is Status.FAILED
    assert view.error_code == "worker_lost"


async def test_a_worker_that_was_faster_wins(store: FlakyStore, clock: Clock) -> None:
    task = await tasks.processing(store, "worker-7", LEASE)
    clock.advance(LEASE + 0.1)
    expired = await store.expired(10)
    await tasks.put(store, tasks.completion(task, {"0": 1}))
    assert await reaper(store)._reap(expired) == 0
    view = await store.view(task.task_id)
    assert view is not None
    assert view.status is Status.COMPLETED


async def test_a_history_that_cannot_be_read_hides_no_other(
    store: FlakyStore, clock: Clock
) -> None:
    bad, good = [await tasks.processing(store, "w", LEASE) for _ in range(2)]
    store.unreadable = bad.task_id
    clock.advance(LEASE + 0.1)
    assert await reaper(store).round() == 1
    view = await store.view(good.task_id)
    assert view is not None
    assert view.status is Status.PENDING


async def test_the_loop_goes_on_after_an_absence(store: FlakyStore, clock: Clock) -> None:
    made = reaper(store)
    task = await tasks.processing(store, "worker-7", LEASE)
    clock.advance(LEASE + 0.1)
    store.away = True
    running = asyncio.create_task(made.run())
    await eventually(lambda: store.looks > 0)
    store.away = False

    async def pending() -> bool:
        view = await store.view(task.task_id)
        return view is not None and view.status is Status.PENDING

    await eventually(pending)
    running.cancel()


def test_a_new_reaper_lets_two_leases_pass() -> None:
    grace = Grace(5.0, longest_gap=1.5)
    seen = [grace.over(now) for now in (100.0, 101.0, 102.0, 103.0, 104.0, 105.0)]
    assert seen == [False, False, False, False, False, True]


def test_after_an_absence_of_the_database_two_leases_pass() -> None:
    grace = Grace(5.0, longest_gap=1.5)
    assert [grace.over(now) for now in range(100, 106)][-1]
    grace.begin()
    seen = [grace.over(now) for now in (106.0, 107.0, 108.0, 109.0, 110.0, 111.0)]
    assert seen == [False, False, False, False, False, True]


def test_a_reaper_that_was_frozen_lets_two_leases_pass() -> None:
    grace = Grace(5.0, longest_gap=1.5)
    assert [grace.over(now) for now in range(100, 106)][-1]
    assert not grace.over(200.0)
    assert not grace.over(201.0)
