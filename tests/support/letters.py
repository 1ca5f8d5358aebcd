"""A dead-letter queue in memory."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

from domain.errors import BrokerUnavailable
from domain.identifiers import new_traceparent, uuid7
from domain.task import Task
from infrastructure.rabbitmq.dead_letters import Letter
from infrastructure.rabbitmq.message import Decoded, TaskMessage, Undecodable

DIED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNREADABLE = Undecodable("not a task message: KeyError")


class FakeBox:
    """Holds letters as the broker does: what is not settled is still there after a sweep."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.sweeps = 0
        self.away = False
        self._in_hand: list[Letter] = []

    def put(self, message: Decoded, name: str | None = None) -> str:
        """Add a letter; returns its name."""
        if name is None and isinstance(message, TaskMessage):
            name = str(message.message_id)
        tag = len(self.letters) + 1
        letter = Letter(message, name or f"sha256:{tag}", "rejected", DIED_AT, 120, tag)
        self.letters.append(letter)
        return letter.name

    async def count(self) -> int:
        """Return how many there are."""
        if self.away:
            raise BrokerUnavailable("the test has taken it away")
        return len(self.letters)

    @contextlib.asynccontextmanager
    async def sweep(self) -> AsyncIterator["FakeBox"]:
        """Begin to look through them."""
        self.sweeps += 1
        self._in_hand = list(self.letters)
        yield self

    async def next(self) -> Letter | None:
        """Take the next one in hand."""
        return self._in_hand.pop(0) if self._in_hand else None

    async def settle(self, letter: Letter) -> None:
        """Remove one."""
        self.letters.remove(letter)


def about(task_id: UUID) -> TaskMessage:
    """Return a message about a task that no event has asked for."""
    return TaskMessage(task_id, uuid7(), "a-correlation-id", new_traceparent())


def message_of(task: Task) -> TaskMessage:
    """Return the message that a pending task waits for."""
    return TaskMessage(
        task.task_id,
        task.last_event_id,
        task.metadata.correlation_id,
        task.metadata.traceparent,
    )
