"""When tasks are released that are held until their earliest start."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import StoreUnavailable
from domain.labels import Labels
from domain.ports import Released
from infrastructure.memory.store import MemoryStore
from relay import schedule
from relay.schedule import LEAST_SECONDS, LOOK_SECONDS, Schedule
from tests.support import tasks
from tests.support.waiting import eventually

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Held(MemoryStore):
    """A store whose clock stands still, and that counts looks."""

    now = NOON
    looks = 0
    away = False

    async def release(self) -> Released:
        self.looks += 1
        if self.away:
            raise StoreUnavailable("the test has taken it away")
        return await super().release()


@pytest.fixture
def store() -> Held:
    store = Held()
    store.clock = lambda: store.now
    return store


async def hold(store: Held, *seconds: float) -> None:
    for each in seconds:
        labels = Labels(not_before=NOON + timedelta(seconds=each))
        await tasks.put(store, tasks.submission(labels=labels))


async def test_it_looks_again_when_the_next_one_is_due(store: Held) -> None:
    woken: list[bool] = []
    plan = Schedule(store, lambda: woken.append(True))
    assert await plan.look() == LOOK_SECONDS
    await hold(store, 3600, 0.25)
    assert await plan.look() == 0.25
    assert woken == []
    store.now += timedelta(seconds=0.25)
    assert await plan.look() == LOOK_SECONDS
    assert woken == [True]
    assert len(await store.choose(10)) == 1


async def test_a_row_that_is_due_and_cannot_be_had_makes_no_hot_loop(store: Held) -> None:
    async def skipped() -> Released:
        return Released(0, -5.0)

    store.release = skipped  # type: ignore[method-assign]
    assert await Schedule(store, lambda: None).look() == LEAST_SECONDS


async def test_it_goes_on_when_the_database_is_back(
    store: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "LOOK_SECONDS", 0.005)
    woken = asyncio.Event()
    store.away = True
    await hold(store, 1)
    running = asyncio.create_task(Schedule(store, woken.set).run())
    await eventually(lambda: store.looks > 2)
    store.away = False
    store.now += timedelta(seconds=1)
    await asyncio.wait_for(woken.wait(), 2)
    running.cancel()
