"""Group commit: concurrent appends share one transaction and one round trip.

Nobody waits on purpose. While one batch is under way, whatever arrives waits and becomes the next
batch: alone on an idle system, hundreds at a time on a busy one.

A broken connection leaves open whether the batch was stored. Each append carries its event id, so
the batch is simply sent again and what was stored before is recognised. What cannot be settled
within the caller's deadline is reported as `OutcomeUnknown`.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from domain.errors import OutcomeUnknown, StoreError, StoreUnavailable
from domain.log import Append, Appended, AppendResult
from domain.ports import EventLog
from infrastructure.telemetry import metrics
from infrastructure.telemetry.append_spans import AppendSpans, Stored

MAX_BATCH = 256
MAX_BATCH_BYTES = 8 * 1024 * 1024
FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 1.0
SWEEP_SECONDS = 0.1

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    """One caller's append on its way into the log."""

    append: Append
    answer: asyncio.Future[AppendResult]
    give_up_at: float | None
    asked_at: int
    uncertain: bool = False


class GroupCommit:
    """`domain.ports.BatchAppender` over an event log.

    Args:
        log: where batches go.
        max_batch: most appends in one transaction.
        on_commit: called with what each transaction stored, right after it.
        on_failure: called after each transaction that the log could not take.
        spans: makes the spans of what was stored; `None` without tracing.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        max_batch: int = MAX_BATCH,
        on_commit: Callable[[Sequence[Append]], None] | None = None,
        on_failure: Callable[[], None] | None = None,
        spans: AppendSpans | None = None,
    ) -> None:
        self._log = log
        self._max_batch = max_batch
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._spans = spans
        self._queue: deque[_Waiting] = deque()
        self._in_flight: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    @property
    def waiting(self) -> int:
        """Appends that have no answer yet."""
        return len(self._queue) + len(self._in_flight)

    async def start(self) -> None:
        """Begin to take appends."""
        self._tasks = [
            asyncio.create_task(self._commit_batches(), name="group-commit"),
            asyncio.create_task(self._sweep_deadlines(), name="group-commit-deadlines"),
        ]

    async def close(self, grace_seconds: float = 5.0) -> None:
        """Store what waits, then stop; what is left after the grace is answered as too late."""
        self._closing = True
        self._arrived.set()
        if self._tasks:
            commits, sweep = self._tasks
            await asyncio.wait([commits], timeout=grace_seconds)
            for task in (commits, sweep):
                task.cancel()
            await asyncio.gather(commits, sweep, return_exceptions=True)
        for waiting in (*self._in_flight, *self._queue):
            _give_up(waiting)
        self._queue.clear()

    async def append(self, append: Append, deadline: float | None = None) -> AppendResult:
        """See `domain.ports.Appender.append`."""
        return await self._ask(append, deadline)

    async def append_all(
        self, appends: Sequence[Append], deadline: float | None = None
    ) -> list[AppendResult | Exception]:
        """See `domain.ports.BatchAppender.append_all`."""
        answers = [self._ask(append, deadline) for append in appends]
        try:
            if answers:
                await asyncio.wait(answers)
        finally:
            for answer in answers:
                answer.cancel()
        return [_result_of(answer) for answer in answers]

    def _ask(self, append: Append, deadline: float | None) -> asyncio.Future[AppendResult]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[AppendResult] = loop.create_future()
        if self._closing:
            answer.set_exception(StoreUnavailable("this process is shutting down; send it again"))
            return answer
        give_up_at = None if deadline is None else loop.time() + deadline
        self._queue.append(_Waiting(append, answer, give_up_at, time.time_ns()))
        self._arrived.set()
        return answer

    async def _commit_batches(self) -> None:
        failures = 0
        while True:
            while not self._queue:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            failure = await self._commit_next()
            if failure is None:
                if failures:
                    _log.info("event log is back", failed_attempts=failures)
                failures = 0
                continue
            failures += 1
            if self._on_failure is not None:
                self._on_failure()
            if failures == 1:
                _log.warning("event log is away, appends wait", reason=str(failure))
            await asyncio.sleep(_backoff(failures))

    async def _commit_next(self) -> StoreError | None:
        """Commit one batch; on a failure, put back what has no answer and return why."""
        self._in_flight = self._take_batch()
        try:
            await self._commit(self._in_flight)
        except StoreError as error:
            self._put_back(self._in_flight, uncertain=isinstance(error, OutcomeUnknown))
            return error
        except asyncio.CancelledError:
            self._put_back(self._in_flight, uncertain=True)
            raise
        finally:
            self._in_flight = []
        return None

    def _take_batch(self) -> list[_Waiting]:
        """Take the next appends in order; a task's second one waits for a later batch."""
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        taken: set[UUID] = set()
        size = 0
        while self._queue and len(batch) < self._max_batch and size < MAX_BATCH_BYTES:
            waiting = self._queue.popleft()
            if waiting.answer.done():
                continue
            if waiting.append.task_id in taken:
                later.append(waiting)
                continue
            taken.add(waiting.append.task_id)
            batch.append(waiting)
            size += sum(len(payload.body) for payload in waiting.append.payloads)
        self._queue.extendleft(reversed(later))
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        """Store a batch and answer its callers; halve it to find what cannot be stored."""
        if not batch:
            return
        begun = time.time_ns()
        try:
            results = await self._log.append([waiting.append for waiting in batch])
        except StoreError:
            raise
        except Exception as refusal:  # noqa: BLE001 - whatever is wrong with one is told to that one
            if len(batch) == 1:
                _answer(batch[0], refusal)
                return
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
            return
        self._observe(batch, results, begun)
        if self._on_commit is not None:
            self._on_commit(
                [
                    waiting.append
                    for waiting, result in zip(batch, results, strict=True)
                    if isinstance(result, Appended)
                ]
            )
        for waiting, result in zip(batch, results, strict=True):
            _answer(waiting, result)

    def _observe(self, batch: list[_Waiting], results: Sequence[AppendResult], begun: int) -> None:
        ended = time.time_ns()
        metrics.APPEND_BATCH_SIZE.observe(len(batch))
        metrics.APPEND_DURATION.observe((ended - begun) / 1e9)
        stored = []
        for waiting, result in zip(batch, results, strict=True):
            if isinstance(result, Appended):
                stored.append(Stored(waiting.append, waiting.asked_at))
                metrics.count_appended(waiting.append.event)
            else:
                metrics.APPEND_CONFLICTS.inc()
        if self._spans is not None:
            self._spans.stored(stored, len(batch), begun, ended)

    def _put_back(self, batch: list[_Waiting], *, uncertain: bool) -> None:
        unanswered = [waiting for waiting in batch if not waiting.answer.done()]
        for waiting in unanswered:
            waiting.uncertain = waiting.uncertain or uncertain
        self._queue.extendleft(reversed(unanswered))

    async def _sweep_deadlines(self) -> None:
        """Answer callers whose time is up. One timer serves all of them."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for waiting in self._in_flight:
                if waiting.give_up_at is not None and waiting.give_up_at <= now:
                    # It may be stored this very moment: nobody can tell.
                    waiting.uncertain = True
                    _give_up(waiting)
            late = [w for w in self._queue if w.give_up_at is not None and w.give_up_at <= now]
            for waiting in late:
                _give_up(waiting)
            if late:
                self._queue = deque(w for w in self._queue if not w.answer.done())


def _result_of(answer: asyncio.Future[AppendResult]) -> AppendResult | Exception:
    error = answer.exception()
    return error if isinstance(error, Exception) else answer.result()


def _answer(waiting: _Waiting, outcome: AppendResult | Exception) -> None:
    # The caller may be gone; what was stored stays stored.
    with contextlib.suppress(asyncio.InvalidStateError):
        if isinstance(outcome, Exception):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(outcome)


def _give_up(waiting: _Waiting) -> None:
    if waiting.uncertain:
        _answer(waiting, OutcomeUnknown("the connection broke in a commit and time ran out"))
    else:
        _answer(waiting, StoreUnavailable("the event log did not answer in time"))


def _backoff(failures: int) -> float:
    longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
