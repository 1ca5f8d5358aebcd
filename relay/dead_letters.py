"""Looks after the dead-letter queue: no letter is lost, and none is left unexplained.

A letter about a task that the log knows is removed. If the task has ended, nothing is owed; if it
is pending its outbox row is still there, and `relay.redispatch` sees that its message is missing.
A letter that names no known task stays in the queue, where it can be read, and is logged once.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from domain.errors import BrokerUnavailable, InvalidEvent, StoreError
from domain.ports import EventLog
from infrastructure.rabbitmq.dead_letters import Letter
from infrastructure.rabbitmq.message import TaskMessage
from infrastructure.telemetry import metrics
from infrastructure.telemetry.context import trace_id_of

INTERVAL_SECONDS = 5.0
LETTERS_PER_SWEEP = 1_000
SWEEP_ANYWAY_SECONDS = 600.0

log = structlog.get_logger()


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


class DeadLetters:
    """Puts right what dead letters tell, and keeps those that nobody can make sense of."""

    def __init__(self, box: DeadLetterBox, event_log: EventLog) -> None:
        self._box = box
        self._event_log = event_log
        self._kept = 0
        self._count: int | None = None
        self._swept_at = time.monotonic()
        self._reported: set[str] = set()

    @property
    def count(self) -> int | None:
        """Letters at the last look; `None` while the queue cannot be seen."""
        return self._count

    async def run(self) -> None:
        """Look after the letters until cancelled."""
        while True:
            try:
                await self.round()
            except (BrokerUnavailable, StoreError):
                # Others say that the broker or the database is away; the letters stay.
                self._kept = 0
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self) -> int:
        """Sweep if the number of letters is not that of the kept ones; returns how many settled.

        Raises:
            BrokerUnavailable, StoreUnavailable: every letter not settled is still there.
        """
        self._count = None
        count = self._count = await self._box.count()
        due = time.monotonic() - self._swept_at > SWEEP_ANYWAY_SECONDS
        if count == 0 or (count == self._kept and not due):
            return 0
        self._swept_at = time.monotonic()
        settled = kept = 0
        async with self._box.sweep() as letters:
            async for letter in _first(letters, LETTERS_PER_SWEEP):
                if await self._is_explained(letter):
                    await letters.settle(letter)
                    settled += 1
                    metrics.DEAD_LETTERS_SETTLED.inc()
                else:
                    kept += 1
        self._kept = kept if kept < LETTERS_PER_SWEEP else count
        return settled

    async def _is_explained(self, letter: Letter) -> bool:
        if not isinstance(letter.message, TaskMessage):
            return self._keep(letter, letter.message.reason)
        task_id = letter.message.task_id
        try:
            known = task_id in await self._event_log.histories([task_id])
        except InvalidEvent:
            return self._keep(letter, "the history of its task cannot be read")
        if not known:
            return self._keep(letter, "it names a task that the log does not know")
        log.warning(
            "A dead letter was put right",
            task_id=str(task_id),
            correlation_id=letter.message.correlation_id,
            trace_id=trace_id_of(letter.message.traceparent),
            died_of=letter.reason,
        )
        return True

    def _keep(self, letter: Letter, reason: str) -> bool:
        identity = letter.message_id or "without id"
        if identity not in self._reported:
            self._reported.add(identity)
            log.warning(
                "A dead letter is kept", message_id=identity, died_of=letter.reason, reason=reason
            )
        return False


async def _first(letters: Letters, limit: int) -> AsyncIterator[Letter]:
    for _ in range(limit):
        letter = await letters.next()
        if letter is None:
            return
        yield letter
