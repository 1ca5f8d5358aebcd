"""Sampling outbox and queue, and what follows from it."""

import asyncio

import pytest

from domain.errors import BrokerUnavailable, StoreUnavailable
from domain.log import LogCursor
from domain.ports import Dispatched
from domain.task import Cancel
from infrastructure.memory.store import MemoryStore
from infrastructure.rabbitmq.topology import Depth
from relay.redispatch import SAMPLES_PER_PATIENCE, Redispatcher
from tests.support import tasks
from tests.support.waiting import eventually

PATIENCE = 0.1


class FakeQueue:
    """A queue whose depth the test sets; `None` when the broker is away."""

    def __init__(self) -> None:
        self.ready: int | None = 0
        self.looks = 0

    async def look(self) -> Depth:
        self.looks += 1
        if self.ready is None:
            raise BrokerUnavailable("the test has taken it away")
        return Depth(self.ready, 0)


class FlakyStore(MemoryStore):
    """A store that may be away."""

    away = False

    async def dispatched(self) -> Dispatched:
        if self.away:
            raise StoreUnavailable("the test has taken it away")
        return await super().dispatched()


@pytest.fixture
def store() -> FlakyStore:
    return FlakyStore()


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


async def dispatch(store: MemoryStore, count: int) -> None:
    await store.append([tasks.submission() for _ in range(count)])
    await store.record_dispatched(await store.choose(1_000))


async def numbers(store: MemoryStore) -> int:
    return len((await store.dispatched()).numbers)


async def test_rows_of_an_empty_queue_wait_again(store: FlakyStore, queue: FakeQueue) -> None:
    await dispatch(store, 3)
    woken = asyncio.Event()
    redispatcher = Redispatcher(store, queue, PATIENCE, woken.set)
    running = asyncio.create_task(redispatcher.run())
    await asyncio.wait_for(woken.wait(), 5)
    assert len(await store.choose(1_000)) == 3
    running.cancel()


async def test_a_queue_that_is_gone_makes_everything_wait_again_at_once(
    store: FlakyStore, queue: FakeQueue
) -> None:
    await dispatch(store, 3)
    queue.ready = 3
    woken = asyncio.Event()
    redispatcher = Redispatcher(store, queue, 600.0, woken.set)
    await redispatcher.sample()
    await redispatcher.forget_all()
    assert woken.is_set()
    assert await numbers(store) == 0


async def test_a_cancelled_row_does_not_send_its_neighbours_again(
    store: FlakyStore, queue: FakeQueue
) -> None:
    await dispatch(store, 5)
    last = (await store.read(LogCursor(), 10))[-1].task_id
    queue.ready = 5
    redispatcher = Redispatcher(store, queue, PATIENCE, lambda: None)
    await redispatcher.sample()
    await store.append([tasks.following(await tasks.load(store, last), Cancel("enough"))])
    running = asyncio.create_task(redispatcher.run())
    await eventually(lambda: queue.looks > 4 * SAMPLES_PER_PATIENCE)
    assert await numbers(store) == 4
    running.cancel()


async def test_it_survives_absences_of_both_sides(store: FlakyStore, queue: FakeQueue) -> None:
    await dispatch(store, 3)
    store.away, queue.ready = True, None
    redispatcher = Redispatcher(store, queue, PATIENCE, lambda: None)
    running = asyncio.create_task(redispatcher.run())
    await eventually(lambda: queue.looks > 3)
    assert not redispatcher.connected
    store.away, queue.ready = False, 0
    await eventually(lambda: redispatcher.connected)

    async def waiting() -> bool:
        return await numbers(store) == 0

    await eventually(waiting)
    running.cancel()
