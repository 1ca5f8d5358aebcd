"""From messages to claimed tasks: read the log, decide, append, and only then acknowledge."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar
from uuid import UUID

import structlog

from domain.errors import InvalidEvent, StoreError
from domain.log import Append, Appended, AppendResult, History
from domain.ports import BatchAppender, EventLog
from domain.status import Status
from domain.task import Task, fold
from infrastructure.backoff import Backoff
from service.worker import decisions
from service.worker.counters import Counters, Dropped
from service.worker.intake import Held, Intake
from service.worker.runs import Runs

log = structlog.get_logger()
T = TypeVar("T")
OnClaimed: TypeAlias = Callable[[Sequence[Held], Sequence[Task], Mapping[UUID, History], int], None]

STORE_AWAY = "the database is away"
APPEND_SECONDS = 2.0
"""After so long without an answer the database counts as away."""


class Claims:
    """Claims what the intake holds, a batch at a time, as far as there is room to run it.

    What arrives while one batch is on its way to the database forms the next. A message is
    acknowledged when its claim is committed or when there is nothing to claim; while the database
    is away no message is taken or returned: what is in hand waits.

    Args:
        on_claimed: called with each batch of messages, the tasks that were claimed, their
            histories before that, and when the batch was begun, in nanoseconds since the epoch.
    """

    def __init__(
        self,
        event_log: EventLog,
        appender: BatchAppender,
        intake: Intake,
        runs: Runs,
        *,
        worker_id: str,
        lease_seconds: float,
        counters: Counters,
        on_claimed: OnClaimed = lambda *_: None,
    ) -> None:
        self._log = event_log
        self._appender = appender
        self._intake = intake
        self._runs = runs
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._counters = counters
        self._on_claimed = on_claimed
        self._due = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def wake(self) -> None:
        """Have a look: a message has come or a run is over."""
        self._due.set()

    async def run(self) -> None:
        """Claim, for ever."""
        while True:
            await self._due.wait()
            self._due.clear()
            self._idle.clear()
            try:
                while taken := self._intake.take():
                    await self._claim(taken)
            finally:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no claim is on its way."""
        await self._idle.wait()

    async def _claim(self, taken: Sequence[Held]) -> None:
        begun = time.time_ns()
        try:
            histories = await self._read({held.task_id for held in taken})
            # Claiming what was given to another worker meanwhile would only make both of them try.
            in_hand = {held.task_id for held in taken if not self._intake.is_void(held)}
            known = {task_id: fold(history.events) for task_id, history in histories.items()}
            claimed = await self._append(_pending(known.get(task_id) for task_id in in_hand))
        except asyncio.CancelledError:
            self._intake.put_back(taken)
            raise
        except Exception:
            # The relay sends it again after a while: a slower loop than the queue would make.
            self._intake.settle(taken)
            raise
        self._on_claimed(taken, claimed, histories, begun)
        for task in claimed:
            payloads = histories[task.task_id].payloads
            self._runs.begin(task, decisions.run_request(task, payloads))
        self._counters.claimed += len(claimed)
        if len(claimed) < len(taken):
            self._count_dropped(taken, known, claimed)
        self._intake.settle(taken)

    def _count_dropped(
        self, taken: Sequence[Held], known: Mapping[UUID, Task | None], claimed: Sequence[Task]
    ) -> None:
        won = {task.task_id for task in claimed}
        first = won.copy()
        for held in taken:
            if held.task_id in first:
                first.remove(held.task_id)
                continue
            void = self._intake.is_void(held)
            why = _why_dropped(known.get(held.task_id), ours=held.task_id in won, void=void)
            self._counters.dropped_because[why] += 1

    async def _append(self, tasks: Sequence[Task]) -> list[Task]:
        """Claim pending tasks; returns those that are this worker's now, as claimed."""
        appends = [decisions.claim(task, self._worker_id, self._lease_seconds) for task in tasks]
        # Sent again as often as it takes: the log knows each append by its event id.
        results = await self._patiently(lambda: self._append_all(appends))
        return [
            decisions.claimed(task, append, result)
            for task, append, result in zip(tasks, appends, results, strict=True)
            if isinstance(result, Appended)
        ]

    async def _append_all(self, appends: Sequence[Append]) -> list[AppendResult]:
        """Append in company with whatever else this worker has to append."""
        self._runs.write_ended()
        results = []
        for answer in await self._appender.append_all(appends, APPEND_SECONDS):
            if isinstance(answer, Exception):
                raise answer
            results.append(answer)
        return results

    async def _read(self, task_ids: set[UUID]) -> Mapping[UUID, History]:
        try:
            return await self._patiently(lambda: self._log.histories(task_ids))
        except InvalidEvent as error:
            if len(task_ids) == 1:
                (task_id,) = task_ids
                log.exception(
                    "Task of a newer version left alone", task_id=str(task_id), reason=str(error)
                )
                return {}
        histories: dict[UUID, History] = {}
        for task_id in task_ids:
            histories |= await self._read({task_id})
        return histories

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the database until it answers; in the meantime take no more messages."""
        backoff = Backoff()
        away = False
        try:
            while True:
                try:
                    return await ask()
                except StoreError as error:
                    if not away:
                        log.warning("PostgreSQL is away, claims wait", reason=str(error))
                        self._intake.stop(STORE_AWAY)
                    away = True
                await asyncio.sleep(backoff.next())
        finally:
            if away:
                log.info("Claims go on")
                self._intake.resume(STORE_AWAY)


def _pending(tasks: Iterable[Task | None]) -> list[Task]:
    return [task for task in tasks if task is not None and task.status is Status.PENDING]


def _why_dropped(task: Task | None, *, ours: bool, void: bool) -> Dropped:
    """Return why a message led to no claim.

    Args:
        task: as it was before the claim.
        ours: another message of the same batch has led to its claim.
        void: RabbitMQ has given the message to someone else meanwhile.
    """
    if task is None:
        return Dropped.UNKNOWN_TASK
    if task.status is Status.PENDING and not ours:
        return Dropped.TAKEN_BACK if void else Dropped.CLAIM_CONFLICT
    pending_or_running = task.status in {Status.PENDING, Status.PROCESSING}
    return Dropped.ALREADY_CLAIMED if pending_or_running else Dropped.ALREADY_ENDED
