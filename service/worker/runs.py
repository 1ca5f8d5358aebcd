"""The tasks that this worker has claimed: their runs, and how each of them ends."""

import asyncio
import logging
import time
from collections.abc import Callable
from uuid import UUID

import structlog

from domain.events import RequeueReason
from domain.execution import RunFailed, RunOutcome, RunRequest
from domain.log import Append
from domain.ports import BatchAppender
from domain.task import Task
from infrastructure.quantum.pool import PoolClosed, SimulatorDied
from service.worker import decisions
from service.worker.counters import Counters
from service.worker.demand import LONG_SECONDS, Load, LookAhead
from service.worker.endings import Endings
from service.worker.ports import Simulators
from service.worker.run import Run, naming

log = structlog.get_logger()
_root = logging.getLogger()


class Runs:
    """Has claimed tasks run and writes down what comes of them.

    A task is held from its claim until its end is in the log, however long the database is away
    in between.

    Args:
        on_change: called when a run begins to be long, and when one is over.
        on_ended: called once with each task that is not held any more, and with what was written
            about its end; `None` where it was taken away.
    """

    def __init__(
        self,
        simulators: Simulators,
        appender: BatchAppender,
        *,
        worker_id: str,
        max_attempts: int,
        counters: Counters,
        on_change: Callable[[], None],
        on_ended: Callable[[Run, Append | None], None] = lambda _run, _append: None,
    ) -> None:
        self._simulators = simulators
        self._worker_id = worker_id
        self._max_attempts = max_attempts
        self._counters = counters
        self._on_change = on_change
        self._on_ended = on_ended
        self._look_ahead = LookAhead()
        self._held: dict[UUID, Run] = {}
        self._in_pool = 0
        self._long = 0
        self._endings = Endings(
            appender,
            worker_id=worker_id,
            counters=counters,
            on_ended=on_ended,
            on_over=self._forget,
        )

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
        if _root.isEnabledFor(logging.DEBUG):
            log.debug("Task claimed", **naming(run))
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
        log.warning("Run stopped, its task was taken away", **naming(run))
        self._let_go(run)

    def cancel(self, run: Run) -> None:
        """The task was cancelled: end its run; the log has its end already."""
        self._counters.cancelled += 1
        log.info("Run stopped, its task was cancelled", **naming(run))
        run.cancelled = True
        self._let_go(run)

    async def over(self) -> None:
        """Wait until no run is left in the pool."""
        outcomes = [run.job.outcome for run in self.held if run.job is not None]
        if outcomes:
            await asyncio.wait(outcomes)

    def write_ended(self) -> None:
        """Have the ends written that wait for company: something else goes to the log now."""
        self._endings.write()

    async def recorded(self) -> None:
        """Wait until every run is over and its end is in the log."""
        await self.over()
        await self._endings.written()

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
                log.error("Run ended in an error of the worker", exc_info=error, **naming(run))
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
        self._write_down(run, decisions.conclude(run.task, outcome, self._worker_id, waited))

    def _give_up(self, run: Run, reason: RequeueReason, detail: str) -> None:
        append = decisions.give_up(run.task, reason, detail, self._worker_id, self._max_attempts)
        self._write_down(run, append)

    def _write_down(self, run: Run, append: Append) -> None:
        self._endings.add(run, append, more_follow=self._in_pool > 0)

    def _forget(self, run: Run) -> None:
        if self._held.get(run.task.task_id) is run:
            del self._held[run.task.task_id]


def _seconds_since(moment: float | None) -> float:
    return 0.0 if moment is None else time.monotonic() - moment
