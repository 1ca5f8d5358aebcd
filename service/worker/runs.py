"""The tasks that this worker has claimed: their runs, and how each of them ends."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from domain.errors import AppendRefused, KetlogError, StoreError
from domain.events import RequeueReason, TaskCompleted, TaskFailed
from domain.execution import METHODS, RunFailed, RunOutcome, RunRequest
from domain.log import Append, AppendResult, Conflict
from domain.ports import Appender
from domain.task import Task
from infrastructure.backoff import Backoff
from infrastructure.quantum.pool import Job, PoolClosed, SimulatorDied
from infrastructure.telemetry import metrics
from infrastructure.telemetry.context import trace_id_of
from service.worker import decisions
from service.worker.counters import Counters
from service.worker.demand import LONG_SECONDS, Load, LookAhead
from service.worker.ports import Simulators

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Run:
    """A claimed task.

    Attributes:
        task: as the claim has left it.
        claimed_at: `time.monotonic()` of the claim.
        started_at: the same of the beginning of the run, and `over_at` of its end.
        job: its place in the pool; `None` when there is nothing to run.
        is_long: the run has lasted longer than what may be ahead of another one.
        ending: how it ends is decided and on its way to the log.
        lost: the task was taken from this worker; nothing of it goes to the log any more.
        cancelled: it was taken because somebody had cancelled it.
        stopped_because: this worker ended the run, and the task goes back for this reason.
    """

    task: Task
    claimed_at: float
    started_at: float | None = None
    job: Job | None = None
    is_long: bool = False
    ending: bool = False
    lost: bool = False
    cancelled: bool = False
    stopped_because: str | None = None
    timer: asyncio.TimerHandle | None = None
    over_at: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it is claimed and no simulator has begun it."""
        return self.job is not None and self.started_at is None and not self.ending


class Runs:
    """Has claimed tasks run and writes down what comes of them.

    A task is held from its claim until its end is in the log, however long the database is away
    in between. The log alone decides whether the end counts: it refuses an outcome whose task has
    been taken away.

    Args:
        on_change: called when a run begins to be long, and when one is over.
        on_ended: called once with each task that is not held any more, and with what was written
            about its end; `None` where it was taken away.
    """

    def __init__(
        self,
        simulators: Simulators,
        appender: Appender,
        *,
        worker_id: str,
        max_attempts: int,
        counters: Counters,
        on_change: Callable[[], None],
        on_ended: Callable[[Run, Append | None], None] = lambda _run, _append: None,
    ) -> None:
        self._simulators = simulators
        self._appender = appender
        self._worker_id = worker_id
        self._max_attempts = max_attempts
        self._counters = counters
        self._on_change = on_change
        self._on_ended = on_ended
        self._look_ahead = LookAhead()
        self._held: dict[UUID, Run] = {}
        self._in_pool = 0
        self._long = 0
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def held(self) -> list[Run]:
        """Every task that is claimed here and not known to have ended in the log."""
        return list(self._held.values())

    @property
    def waiting(self) -> int:
        """Tasks that are claimed and have not begun."""
        return sum(run.waits for run in self._held.values())

    def load(self, being_claimed: int, unclaimed: int) -> Load:
        """Return what the worker has in hand, given the messages in hand."""
        slots = self._slots_in_service
        return Load(
            slots=slots,
            stuck=min(self._long, slots),
            claimed=self._in_pool + being_claimed,
            unclaimed=unclaimed,
            depth=self._look_ahead.depth,
        )

    def begin(self, task: Task, request: RunRequest | RunFailed) -> None:
        """Have a claimed task run, or end it at once where there is nothing to run."""
        former = self._held.get(task.task_id)
        if former is not None and not former.ending:
            # It was taken away and came back before the renewal of its lease could tell.
            self.lose(former)
        run = self._held[task.task_id] = Run(task, time.monotonic())
        log.debug("Task claimed", **_naming(run))
        if isinstance(request, RunFailed):
            self._conclude(run, request)
            return
        try:
            job = self._simulators.submit(request)
        except PoolClosed as closed:
            self._give_up(run, RequeueReason.HANDED_BACK, str(closed))
            return
        run.job = job
        self._in_pool += 1
        job.started.add_done_callback(lambda started: self._began(run, started))
        job.outcome.add_done_callback(lambda outcome: self._over(run, outcome))

    def hand_back_waiting(self, why: str, patience_seconds: float = 0.0) -> None:
        """Give back what was claimed so long ago and has not begun."""
        latest = time.monotonic() - patience_seconds
        for run in self.held:
            if run.waits and run.claimed_at <= latest and run.job is not None:
                if not self._simulators.withdraw(run.job):
                    continue
                self._give_up(run, RequeueReason.HANDED_BACK, why)

    def stop(self, why: str) -> None:
        """End every run that is not over; the tasks go back to the queue."""
        for run in self.held:
            if run.job is not None and not run.ending:
                run.stopped_because = why
                run.job.cancel()

    def find(self, task_id: UUID) -> Run | None:
        """Return the run of a task that is held here."""
        return self._held.get(task_id)

    def lose(self, run: Run) -> None:
        """The task is not this worker's any more: end its run and forget what comes of it."""
        self._counters.lost += 1
        log.warning("Run stopped, its task was taken away", **_naming(run))
        self._let_go(run)

    def cancel(self, run: Run) -> None:
        """The task was cancelled: end its run; the log has its end already."""
        self._counters.cancelled += 1
        log.info("Run stopped, its task was cancelled", **_naming(run))
        run.cancelled = True
        self._let_go(run)

    async def over(self) -> None:
        """Wait until no run is left in the pool."""
        outcomes = [run.job.outcome for run in self.held if run.job is not None]
        if outcomes:
            await asyncio.wait(outcomes)

    async def recorded(self) -> None:
        """Wait until every run is over and its end is in the log."""
        await self.over()
        while self._endings:
            await asyncio.wait(self._endings)

    @property
    def _slots_in_service(self) -> int:
        """Without those whose simulator has ended and is not replaced yet."""
        pool = self._simulators
        return pool.slots if pool.room else pool.busy

    def _let_go(self, run: Run) -> None:
        run.lost = True
        self._on_ended(run, None)
        self._forget(run)
        if run.job is not None:
            run.job.cancel()

    def _began(self, run: Run, started: asyncio.Future[None]) -> None:
        if started.cancelled():
            return
        run.started_at = time.monotonic()
        if run.job is not None and not run.job.outcome.done():
            loop = asyncio.get_running_loop()
            run.timer = loop.call_later(LONG_SECONDS, self._found_long, run)

    def _found_long(self, run: Run) -> None:
        run.is_long = True
        self._long += 1
        self._on_change()

    def _over(self, run: Run, outcome: asyncio.Future[RunOutcome]) -> None:
        self._in_pool -= 1
        run.over_at = time.monotonic()
        if run.timer is not None:
            run.timer.cancel()
        if run.is_long:
            self._long -= 1
        if run.started_at is not None:
            self._look_ahead.observe(_seconds_since(run.started_at))
        self._on_change()
        if not outcome.cancelled() and not run.lost:
            self._end(run, outcome)

    def _end(self, run: Run, outcome: asyncio.Future[RunOutcome]) -> None:
        match outcome.exception():
            case None:
                self._conclude_or_hand_back(run, outcome.result())
            case SimulatorDied() as death:
                detail = f"the simulator ended in mid-run: {death}"
                self._give_up(run, RequeueReason.SIMULATOR_DIED, detail)
            case PoolClosed():
                detail = run.stopped_because or "the worker was shut down"
                self._give_up(run, RequeueReason.HANDED_BACK, detail)
            case error:
                log.error("Run ended in an error of the worker", exc_info=error, **_naming(run))
                detail = f"the worker failed: {type(error).__name__}"
                self._give_up(run, RequeueReason.SIMULATOR_DIED, detail)

    def _conclude_or_hand_back(self, run: Run, outcome: RunOutcome) -> None:
        cancelled = isinstance(outcome, RunFailed) and outcome.code == "cancelled"
        if cancelled and run.stopped_because is not None:
            self._give_up(run, RequeueReason.HANDED_BACK, run.stopped_because)
        else:
            self._conclude(run, outcome)

    def _conclude(self, run: Run, outcome: RunOutcome) -> None:
        waited = 0.0 if run.started_at is None else run.started_at - run.claimed_at
        self._spawn(
            run, self._record(run, decisions.conclude(run.task, outcome, self._worker_id, waited))
        )

    def _give_up(self, run: Run, reason: RequeueReason, detail: str) -> None:
        append = decisions.give_up(run.task, reason, detail, self._worker_id, self._max_attempts)
        self._spawn(run, self._record(run, append))

    def _spawn(self, run: Run, ending: Coroutine[Any, Any, None]) -> None:
        run.ending = True
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _record(self, run: Run, append: Append) -> None:
        """Append the end of a task, waiting for the database as long as it takes."""
        try:
            await self._append(run, append)
        except AppendRefused as refusal:
            log.exception("Outcome cannot be stored", reason=str(refusal), **_naming(run))
            await self._append(run, decisions.not_storable(run.task, self._worker_id))
        except StoreError as error:
            log.warning("Outcome not stored, its lease will run out", reason=str(error))
        finally:
            self._forget(run)

    async def _append(self, run: Run, append: Append) -> None:
        result = await self._insist(run, append)
        if isinstance(result, Conflict):
            self._counters.stale += 1
            log.warning(
                "Outcome refused, the task was taken away",
                event_type=type(append.event).__name__,
                **_naming(run),
            )
            self._on_ended(run, None)
            return
        self._count(run, append)
        self._on_ended(run, append)

    async def _insist(self, run: Run, append: Append) -> AppendResult:
        """Append, and try again after errors that nobody foresaw: an outcome is not thrown away."""
        backoff = Backoff(first=0.2, longest=5.0)
        while True:
            try:
                return await self._appender.append(append)
            except KetlogError:
                raise
            except Exception:
                log.exception("Outcome not stored yet", **_naming(run))
            await asyncio.sleep(backoff.next())

    def _count(self, run: Run, append: Append) -> None:
        match append.event:
            case TaskCompleted(execution=execution):
                self._counters.completed += 1
                _measure(execution)
                log.debug("Task completed", **_naming(run))
            case TaskFailed(code=code):
                self._counters.failed += 1
                log.debug("Task failed", code=code, **_naming(run))
            case event:
                self._counters.requeued += 1
                reason = getattr(event, "reason", None)
                self._counters.handed_back += reason is RequeueReason.HANDED_BACK
                log.info("Task requeued", reason=str(reason), **_naming(run))

    def _forget(self, run: Run) -> None:
        if self._held.get(run.task.task_id) is run:
            del self._held[run.task.task_id]


def _measure(execution: Mapping[str, Any]) -> None:
    method = execution.get("method")
    seconds = execution.get("durations", {}).get("run")
    if seconds is not None:
        metrics.RUN_DURATION.labels(method if method in METHODS else "other").observe(seconds)


def _seconds_since(moment: float | None) -> float:
    return 0.0 if moment is None else time.monotonic() - moment


def _naming(run: Run) -> dict[str, str | int]:
    return {
        "task_id": str(run.task.task_id),
        "attempt": run.task.attempt,
        "correlation_id": run.task.metadata.correlation_id,
        "trace_id": trace_id_of(run.task.metadata.traceparent),
    }
