"""Says to the log, again and again, that this worker is still at its tasks."""

import asyncio

import structlog

from domain.errors import StoreError
from domain.ports import Leases
from service.worker.runs import Runs

log = structlog.get_logger()


class LeaseRenewal:
    """Renews all leases of this worker in one statement at a time.

    A lease that is not there any more means that the task was taken away, and its run is stopped.
    While the database does not answer the runs go on: the reaper waits for two lease lengths after
    an outage, and the log refuses whatever comes too late.
    """

    def __init__(
        self,
        leases: Leases,
        runs: Runs,
        *,
        worker_id: str,
        lease_seconds: float,
        interval_seconds: float,
    ) -> None:
        self._leases = leases
        self._runs = runs
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._interval = interval_seconds
        self._failing = False

    async def run(self) -> None:
        """Renew at every interval, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._interval, loop.time())
            await asyncio.sleep(due - loop.time())
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
        for run in asked:
            # An end on its way to the log removes the lease itself.
            if run.task.task_id not in kept and not run.ending and not run.lost:
                self._runs.lose(run)
