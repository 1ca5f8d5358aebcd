"""What becomes of dead letters: put right, removed, or kept where they are."""

from collections.abc import Sequence

import pytest

from domain.errors import BrokerUnavailable, StoreUnavailable
from domain.events import RequeueReason, TaskRequeued
from domain.identifiers import uuid7
from domain.log import Append, AppendResult
from domain.status import Status
from domain.task import Cancel
from infrastructure.memory.store import MemoryStore
from relay.dead_letters import DeadLetters
from tests.support import tasks
from tests.support.letters import UNREADABLE, FakeBox, about, message_of


class FlakyStore(MemoryStore):
    """A store that may refuse to append, and let another writer be faster."""

    away = False
    first: Append | None = None

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        if self.away:
            raise StoreUnavailable("the test has taken it away")
        first, self.first = self.first, None
        if first is not None:
            await super().append([first])
        return await super().append(appends)


@pytest.fixture
def store() -> FlakyStore:
    return FlakyStore()


@pytest.fixture
def box() -> FakeBox:
    return FakeBox()


@pytest.fixture
def woken() -> list[None]:
    return []


@pytest.fixture
def letters(box: FakeBox, store: FlakyStore, woken: list[None]) -> DeadLetters:
    return DeadLetters(box, store, lambda: woken.append(None))


async def test_a_pending_task_whose_message_died_gets_another_one(
    store: FlakyStore, box: FakeBox, letters: DeadLetters, woken: list[None]
) -> None:
    task = await tasks.submitted(store)
    await store.record_dispatched(await store.choose(10))
    box.put(message_of(task))
    assert await letters.round() == 1
    assert box.letters == []
    assert woken == [None]
    requeued = (await store.histories([task.task_id]))[task.task_id].events[-1]
    assert isinstance(requeued.event, TaskRequeued)
    assert requeued.event.reason is RequeueReason.DEAD_LETTERED
    assert (requeued.metadata.actor, requeued.metadata.causation_id) == (
        "relay",
        task.last_event_id,
    )
    (row,) = await store.choose(10)
    assert row.message_id == requeued.event_id


async def test_a_task_that_has_had_a_later_message_gets_no_more(
    store: FlakyStore, box: FakeBox, letters: DeadLetters
) -> None:
    task = await tasks.submitted(store)
    for _ in range(2):
        box.put(message_of(task))
    assert await letters.round() == 2
    assert (await tasks.load(store, task.task_id)).version == 2


@pytest.mark.parametrize("end", [Status.PROCESSING, Status.CANCELLED])
async def test_nothing_is_owed_to_a_task_that_waits_no_more(
    end: Status, store: FlakyStore, box: FakeBox, letters: DeadLetters
) -> None:
    task = await tasks.submitted(store)
    box.put(message_of(task))
    await tasks.put(
        store,
        tasks.claim(task)
        if end is Status.PROCESSING
        else tasks.following(task, Cancel("by its client")),
    )
    assert await letters.round() == 1
    assert (await tasks.load(store, task.task_id)).version == 2
    assert box.letters == []


async def test_a_claim_in_the_same_moment_settles_it(
    store: FlakyStore, box: FakeBox, letters: DeadLetters, woken: list[None]
) -> None:
    task = await tasks.submitted(store)
    box.put(message_of(task))
    store.first = tasks.claim(task)
    assert await letters.round() == 1
    assert (await tasks.load(store, task.task_id)).status is Status.PROCESSING
    assert woken == []


async def test_without_the_database_the_letter_stays(
    store: FlakyStore, box: FakeBox, letters: DeadLetters
) -> None:
    box.put(message_of(await tasks.submitted(store)))
    store.away = True
    with pytest.raises(StoreUnavailable):
        await letters.round()
    assert len(box.letters) == 1
    store.away = False
    assert await letters.round() == 1


async def test_letters_that_nobody_understands_are_kept(box: FakeBox, letters: DeadLetters) -> None:
    box.put(UNREADABLE, "one")
    box.put(about(uuid7()), "two")
    assert await letters.round() == 0
    assert len(box.letters) == 2


async def test_a_kept_letter_hides_no_other(
    store: FlakyStore, box: FakeBox, letters: DeadLetters
) -> None:
    box.put(UNREADABLE)
    box.put(message_of(await tasks.submitted(store)))
    assert await letters.round() == 1
    assert len(box.letters) == 1


async def test_kept_letters_are_not_taken_up_again_and_again(
    store: FlakyStore, box: FakeBox, letters: DeadLetters
) -> None:
    box.put(UNREADABLE)
    for _ in range(10):
        await letters.round()
    assert box.sweeps == 1
    box.put(message_of(await tasks.submitted(store)))
    assert await letters.round() == 1


async def test_an_empty_box_is_not_opened(box: FakeBox, letters: DeadLetters) -> None:
    assert await letters.round() == 0
    assert box.sweeps == 0


async def test_an_absent_broker_is_somebody_elses_business(
    box: FakeBox, letters: DeadLetters
) -> None:
    box.away = True
    with pytest.raises(BrokerUnavailable):
        await letters.round()
