"""What a dead letter means to the log; the relay and the operator's commands ask the same.

A letter about a task that has been claimed or has ended owes nothing. One about a pending task owes
it another message, unless the task has had a later one already. What names no known task can only
be looked at by people.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from domain.errors import InvalidEvent
from domain.log import Append
from domain.ports import EventLog
from domain.status import Status
from domain.task import Requeue, Task, decide, fold
from infrastructure.rabbitmq.dead_letters import Letter
from infrastructure.rabbitmq.message import TaskMessage

LETTERS_AT_A_TIME = 1_000


class Letters(Protocol):
    """Letters in hand; those that are not settled go back."""

    async def next(self) -> Letter | None:
        """Take one more in hand, oldest first; `None` when there is none left."""
        ...

    async def settle(self, letter: Letter) -> None:
        """Remove one for good."""
        ...


class DeadLetterBox(Protocol):
    """The dead-letter queue; its methods raise `BrokerUnavailable`."""

    async def count(self) -> int:
        """Return how many letters wait."""
        ...

    def sweep(self) -> AbstractAsyncContextManager[Letters]:
        """Begin to look through them."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the log knows about a letter.

    Attributes:
        task: the task that it names, as it stands; `None` where the log has none.
        kept_because: why nothing can be done about it; empty where something can.
    """

    letter: Letter
    task: Task | None = None
    kept_because: str = ""

    @property
    def owes_message(self) -> bool:
        """Whether the task waits for the message that became this letter."""
        message = self.letter.message
        return (
            self.task is not None
            and isinstance(message, TaskMessage)
            and self.task.status is Status.PENDING
            and self.task.last_event_id == message.message_id
        )


async def judge(letter: Letter, event_log: EventLog) -> Judgement:
    """Ask the log about a letter; raises `StoreUnavailable`."""
    if not isinstance(letter.message, TaskMessage):
        return Judgement(letter, kept_because=letter.message.reason)
    task_id = letter.message.task_id
    try:
        history = (await event_log.histories([task_id])).get(task_id)
        task = None if history is None else fold(history.events)
    except InvalidEvent:
        return Judgement(letter, kept_because="the history of its task cannot be read")
    if task is None:
        return Judgement(letter, kept_because="it names a task that the log does not know")
    return Judgement(letter, task)


def another_message(task: Task, detail: str, actor: str) -> Append:
    """Return the append that has another message sent for a pending task.

    Raises:
        TransitionRefused: the task is not pending.
    """
    metadata = task.metadata.followed_by(actor, task.last_event_id)
    return Append(task.task_id, task.version, decide(task, Requeue(detail)), metadata)


async def in_hand(letters: Letters, limit: int = LETTERS_AT_A_TIME) -> AsyncIterator[Letter]:
    """Take letters in hand one by one, so many at most; raises `BrokerUnavailable`."""
    for _ in range(limit):
        letter = await letters.next()
        if letter is None:
            return
        yield letter
