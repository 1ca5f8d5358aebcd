"""Says to the log, again and again, that this worker is still at its tasks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from domain.errors import StoreError
from domain.ports import Leases
from service.worker.run import Run
from service.worker.runs import Runs

log = structlog.get_logger()


class LeaseRenewal:
    """Renews all leases of this worker in one statement at a time.

    A lease that is not there any more means that the task was taken away, and its run is stopped.
    The log is asked whether the task was cancelled; if so, nothing went wrong.
    While the database does not answer the runs go on: the reaper waits for two lease lengths after
    an outage, and the log refuses whatever comes too late.

    Args:
        was_cancelled: tells whether a task that is lost was cancelled.
    """

    def __init__(
        self,
        leases: Leases,
        runs: Runs,
        *,
        worker_id: str,
        lease_seconds: float,
        interval_seconds: float,
        was_cancelled: Callable[[UUID], Awaitable[bool]],
    ) -> None:
        self._leases = leases
        self._runs = runs
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._interval = interval_seconds
        self._was_cancelled = was_cancelled
        self._failing = False
        self._hastened = asyncio.Event()

    def hasten(self) -> None:
        """Renew now: something may have happened to the leases."""
        self._hastened.set()

    async def run(self) -> None:
        """Renew at every interval, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._interval, loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._hastened.wait()
            self._hastened.clear()
            await self.renew()

    async def renew(self) -> None:
        """Renew once, and let go of what is lost."""
        asked = self._runs.held
        if not asked:
            return
        try:
            async with asyncio.timeout(self._lease_seconds):
                kept = await self._leases.renew(
                    self._worker_id, {run.task.task_id for run in asked}, self._lease_seconds
                )
        except (StoreError, TimeoutError) as error:
            if not self._failing:
                log.warning("Leases cannot be renewed, runs go on", reason=str(error))
            self._failing = True
            return
        if self._failing:
            log.info("Leases are renewed again")
        self._failing = False
        lost = [run for run in asked if run.task.task_id not in kept and not _is_over(run)]
        cancelled = await asyncio.gather(*(self._was_cancelled(run.task.task_id) for run in lost))
        for run, was_cancelled in zip(lost, cancelled, strict=True):
            if _is_over(run):
                continue
            if was_cancelled:
                self._runs.cancel(run)
            else:
                self._runs.lose(run)


def _is_over(run: Run) -> bool:
    """Tell whether nothing is to be done: an end on its way to the log removes the lease itself."""
    return run.ending or run.lost
