"""What becomes of dead letters: put right, or kept where they are."""

import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from domain.errors import BrokerUnavailable
from domain.identifiers import new_traceparent, uuid7
from infrastructure.memory.store import MemoryStore
from infrastructure.rabbitmq.dead_letters import Letter
from infrastructure.rabbitmq.message import Decoded, TaskMessage, Undecodable
from relay.dead_letters import DeadLetters
from tests.support import tasks


class FakeBox:
    """A dead-letter queue in memory."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.sweeps = 0
        self.away = False
        self._in_hand: list[Letter] = []

    def put(self, message: Decoded, message_id: str | None = None) -> None:
        self.letters.append(Letter(message, message_id, "rejected", len(self.letters) + 1))

    async def count(self) -> int:
        if self.away:
            raise BrokerUnavailable("the test has taken it away")
        return len(self.letters)

    @contextlib.asynccontextmanager
    async def sweep(self) -> AsyncIterator["FakeBox"]:
        self.sweeps += 1
        self._in_hand = list(self.letters)
        yield self

    async def next(self) -> Letter | None:
        return self._in_hand.pop(0) if self._in_hand else None

    async def settle(self, letter: Letter) -> None:
        self.letters.remove(letter)


def about(task_id: UUID) -> TaskMessage:
    return TaskMessage(task_id, uuid7(), "a-correlation-id", new_traceparent())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def box() -> FakeBox:
    return FakeBox()


async def test_a_letter_about_a_known_task_is_removed(store: MemoryStore, box: FakeBox) -> None:
    box.put(about((await tasks.submitted(store)).task_id))
    assert await DeadLetters(box, store).round() == 1
    assert box.letters == []


async def test_the_task_keeps_its_place_in_the_outbox(store: MemoryStore, box: FakeBox) -> None:
    task = await tasks.submitted(store)
    box.put(about(task.task_id))
    await DeadLetters(box, store).round()
    assert [row.task_id for row in await store.choose(10)] == [task.task_id]


async def test_letters_that_nobody_understands_are_kept(store: MemoryStore, box: FakeBox) -> None:
    box.put(Undecodable("not a task message"), "one")
    box.put(about(uuid7()), "two")
    assert await DeadLetters(box, store).round() == 0
    assert len(box.letters) == 2


async def test_a_kept_letter_hides_no_other(store: MemoryStore, box: FakeBox) -> None:
    box.put(Undecodable("not a task message"))
    box.put(about((await tasks.submitted(store)).task_id))
    assert await DeadLetters(box, store).round() == 1
    assert len(box.letters) == 1


async def test_kept_letters_are_not_taken_up_again_and_again(
    store: MemoryStore, box: FakeBox
) -> None:
    box.put(Undecodable("not a task message"))
    letters = DeadLetters(box, store)
    for _ in range(10):
        await letters.round()
    assert box.sweeps == 1
    box.put(about((await tasks.submitted(store)).task_id))
    assert await letters.round() == 1


async def test_an_empty_box_is_not_opened(store: MemoryStore, box: FakeBox) -> None:
    assert await DeadLetters(box, store).round() == 0
    assert box.sweeps == 0


async def test_an_absent_broker_is_somebody_elses_business(
    store: MemoryStore, box: FakeBox
) -> None:
    box.away = True
    with pytest.raises(BrokerUnavailable):
        await DeadLetters(box, store).round()
