"""Looks after the dead-letter queue: no letter is lost, and none is left unexplained.

A letter about a pending task has another message sent for it, by an event that says so, and is
removed once that is in the log. A letter about a task that is claimed, or has ended, is removed:
nothing is owed. One that names no known task stays in the queue, where `make dead-letters` lists
it, and is logged once.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from domain.errors import BrokerUnavailable, StoreError
from domain.log import Appended
from domain.ports import EventLog
from domain.task import Task
from infrastructure.dead_letters import (
    LETTERS_AT_A_TIME,
    DeadLetterBox,
    Judgement,
    another_message,
    in_hand,
    judge,
)
from infrastructure.rabbitmq.dead_letters import Letter
from infrastructure.telemetry import metrics
from infrastructure.telemetry.context import trace_id_of

INTERVAL_SECONDS = 5.0
SWEEP_ANYWAY_SECONDS = 600.0
ACTOR = "relay"

log = structlog.get_logger()


class DeadLetters:
    """Puts right what dead letters tell, and keeps those that nobody can make sense of.

    Args:
        box: the letters.
        event_log: what is known of their tasks.
        on_requeued: called when a task is to have another message.
    """

    def __init__(
        self, box: DeadLetterBox, event_log: EventLog, on_requeued: Callable[[], None]
    ) -> None:
        self._box = box
        self._event_log = event_log
        self._on_requeued = on_requeued
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
            BrokerUnavailable, StoreError: every letter not settled is still there.
        """
        self._count = None
        count = self._count = await self._box.count()
        due = time.monotonic() - self._swept_at > SWEEP_ANYWAY_SECONDS
        if count == 0 or (count == self._kept and not due):
            return 0
        self._swept_at = time.monotonic()
        settled = kept = 0
        async with self._box.sweep() as letters:
            async for letter in in_hand(letters):
                if await self._is_explained(letter):
                    await letters.settle(letter)
                    settled += 1
                    metrics.DEAD_LETTERS_SETTLED.inc()
                else:
                    kept += 1
        self._kept = kept if kept < LETTERS_AT_A_TIME else count
        return settled

    async def _is_explained(self, letter: Letter) -> bool:
        judgement = await judge(letter, self._event_log)
        if judgement.task is None:
            self._keep(judgement)
            return False
        outcome = "removed: nothing is owed to its task"
        if judgement.owes_message and await self._requeue(judgement.task, letter):
            outcome = "put right: its task has another message sent"
        log.warning(
            f"A dead letter was {outcome}",
            task_id=str(judgement.task.task_id),
            correlation_id=judgement.task.metadata.correlation_id,
            trace_id=trace_id_of(judgement.task.metadata.traceparent),
            died_of=letter.reason,
        )
        return True

    async def _requeue(self, task: Task, letter: Letter) -> bool:
        """Have another message sent; tells whether the task still waited for one."""
        append = another_message(task, f"its message died in RabbitMQ: {letter.reason}", ACTOR)
        (result,) = await self._event_log.append([append])
        if not isinstance(result, Appended):
            return False
        metrics.count_appended(append.event)
        self._on_requeued()
        return True

    def _keep(self, judgement: Judgement) -> None:
        letter = judgement.letter
        if letter.name not in self._reported:
            self._reported.add(letter.name)
            log.warning(
                "A dead letter is kept, `make dead-letters` lists it",
                message_id=letter.name,
                died_of=letter.reason,
                reason=judgement.kept_because,
            )
