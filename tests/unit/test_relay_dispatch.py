"""The dispatch loop on an outbox in memory and a broker that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from domain.errors import BrokerUnavailable, StoreUnavailable
from domain.ports import OutboxRow
from infrastructure.memory.store import MemoryStore
from relay import dispatch as module
from relay.dispatch import Dispatcher
from relay.window import Window
from tests.support import tasks
from tests.support.waiting import eventually

WINDOW = 64


class FakeBroker:
    """Confirms everything but what is poison; can be away."""

    def __init__(self) -> None:
        self.away = False
        self.poison: set[UUID] = set()
        self.sent: list[UUID] = []
        self.calls = 0

    async def publish(self, rows: Sequence[OutboxRow]) -> list[int]:
        self.calls += 1
        await asyncio.sleep(0)
        if self.away:
            raise BrokerUnavailable("the test has taken it away")
        good = [row for row in rows if row.task_id not in self.poison]
        self.sent += [row.task_id for row in good]
        return [row.row_id for row in good]


class FlakyOutbox(MemoryStore):
    """An outbox that may refuse to record."""

    refusals = 0
    choices = 0

    async def choose(self, window: int) -> list[OutboxRow]:
        self.choices += 1
        return await super().choose(window)

    async def record_dispatched(self, rows: Sequence[OutboxRow]) -> int:
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailable("the test has taken it away")
        return await super().record_dispatched(rows)


@pytest.fixture
def store() -> FlakyOutbox:
    return FlakyOutbox()


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
async def dispatcher(store: FlakyOutbox, broker: FakeBroker) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(store, broker, Window(WINDOW, WINDOW), poll_seconds=0.02)
    running = asyncio.create_task(dispatcher.run())
    yield dispatcher
    dispatcher.stop()
    await asyncio.wait_for(running, 2)


async def submit(store: MemoryStore, count: int) -> list[UUID]:
    appends = [tasks.submission() for _ in range(count)]
    await store.append(appends)
    return [append.task_id for append in appends]


async def test_tasks_go_out_oldest_first(
    store: FlakyOutbox, broker: FakeBroker, dispatcher: Dispatcher
) -> None:
    ids = await submit(store, 10)
    await eventually(lambda: broker.sent == ids)
    assert (await store.dispatched()).numbers == list(range(1, 11))


async def test_the_window_bounds_what_is_dispatched_and_unclaimed(
    store: FlakyOutbox, broker: FakeBroker, dispatcher: Dispatcher
) -> None:
    ids = await submit(store, 5 * WINDOW)
    await eventually(lambda: len(broker.sent) >= WINDOW)
    looks = store.choices
    await eventually(lambda: store.choices > looks + 2)
    assert broker.sent == ids[:WINDOW]
    await store.append([tasks.claim(await tasks.load(store, task_id)) for task_id in ids[:3]])
    await eventually(lambda: len(broker.sent) == WINDOW + 3)
    assert broker.sent == ids[: WINDOW + 3]


async def test_one_bad_row_never_stops_the_rows_behind_it(
    store: FlakyOutbox, broker: FakeBroker, dispatcher: Dispatcher
) -> None:
    ids = await submit(store, 3 * WINDOW)
    broker.poison = {ids[0]}
    for task_id in ids[1:]:
        await eventually(lambda task_id=task_id: task_id in broker.sent)
        await store.append([tasks.claim(await tasks.load(store, task_id))])
    broker.poison.clear()
    await eventually(lambda: ids[0] in broker.sent)


async def test_rows_that_nobody_takes_are_not_tried_in_a_hot_loop(
    store: FlakyOutbox, broker: FakeBroker
) -> None:
    ids = await submit(store, 5)
    broker.poison = set(ids)
    dispatcher = Dispatcher(store, broker, Window(WINDOW, WINDOW), poll_seconds=60.0)
    running = asyncio.create_task(dispatcher.run())
    await eventually(lambda: broker.calls > 3)
    calls, began = broker.calls, asyncio.get_running_loop().time()
    await eventually(lambda: broker.calls > calls + 2)
    assert asyncio.get_running_loop().time() - began > 0.03
    dispatcher.stop()
    await asyncio.wait_for(running, 2)


@pytest.mark.parametrize(("rows", "looks"), [(1, 1), (2, 2)])
async def test_a_lone_row_is_not_followed_by_another_look_at_once(
    rows: int, looks: int, store: FlakyOutbox, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BRISK_POLL_SECONDS", 60.0)
    monkeypatch.setattr(module, "LONE_POLL_SECONDS", 60.0)
    await submit(store, rows)
    dispatcher = Dispatcher(store, broker, Window(8, 8), poll_seconds=60.0)
    running = asyncio.create_task(dispatcher.run())
    # Nothing here waits for anything but its turn, so this many turns are more than enough.
    for _ in range(100):
        await asyncio.sleep(0)
    assert (len(broker.sent), store.choices) == (rows, looks)
    dispatcher.stop()
    await asyncio.wait_for(running, 2)


@pytest.mark.parametrize(("rows", "slow"), [(1, "BRISK"), (2, "LONE")])
async def test_a_lone_row_has_a_pause_of_its_own(
    rows: int, slow: str, store: FlakyOutbox, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, f"{slow}_POLL_SECONDS", 60.0)
    await submit(store, rows)
    dispatcher = Dispatcher(store, broker, Window(8, 8), poll_seconds=60.0)
    running = asyncio.create_task(dispatcher.run())
    await eventually(lambda: store.choices > rows + 1)
    dispatcher.stop()
    await asyncio.wait_for(running, 2)


async def test_what_was_confirmed_is_not_sent_again_when_recording_fails(
    store: FlakyOutbox, broker: FakeBroker, dispatcher: Dispatcher
) -> None:
    store.refusals = 2
    ids = await submit(store, 5)
    await eventually(lambda: len(store._room.places) == 5 and store.refusals == 0)

    async def recorded() -> bool:
        return len((await store.dispatched()).numbers) == 5

    await eventually(recorded)
    assert broker.sent == ids


async def test_it_goes_on_by_itself_when_the_broker_is_back(
    store: FlakyOutbox, broker: FakeBroker, dispatcher: Dispatcher
) -> None:
    broker.away = True
    ids = await submit(store, 5)
    await eventually(lambda: broker.calls > 0)
    broker.away = False
    await eventually(lambda: broker.sent == ids)


async def test_notifications_make_no_hot_loop_while_the_broker_is_away(
    store: FlakyOutbox, broker: FakeBroker, dispatcher: Dispatcher
) -> None:
    broker.away = True
    await submit(store, 1)
    await eventually(lambda: broker.calls > 0)
    for _ in range(1_000):
        dispatcher.wake()
        await asyncio.sleep(0)
    assert broker.calls < 20


async def test_a_wake_up_is_much_faster_than_the_poll(
    store: FlakyOutbox, broker: FakeBroker
) -> None:
    dispatcher = Dispatcher(store, broker, Window(WINDOW, WINDOW), poll_seconds=60.0)
    dispatcher._pause_seconds = 60.0
    running = asyncio.create_task(dispatcher.run())
    await eventually(lambda: store.choices > 0)
    await submit(store, 1)
    dispatcher.wake()
    await eventually(lambda: len(broker.sent) == 1, within=1)
    dispatcher.stop()
    await asyncio.wait_for(running, 2)
