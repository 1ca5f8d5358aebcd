"""Stops runs whose tasks were cancelled: at once where this worker is told, else with the lease."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from domain.errors import StoreError
from domain.events import TaskCancelled
from domain.ports import EventLog
from service.worker.ports import CancelNotices
from service.worker.runs import Runs

LOOK_SECONDS = 0.25


class Cancellations:
    """Knows of cancelled tasks by notification, and by a look at the log.

    Args:
        event_log: tells why a lease is gone.
        notices: says which tasks were cancelled; `None` for nothing but the leases.
    """

    def __init__(self, event_log: EventLog, runs: Runs, notices: CancelNotices | None) -> None:
        self._event_log = event_log
        self._runs = runs
        self._notices = notices

    async def run(self, look: Callable[[], None]) -> None:
        """Stop runs as notices of cancellations come, for ever.

        Args:
            look: has all leases looked at; called where notices may have been missed.
        """
        if self._notices is not None:
            await self._notices.run(self._told, look)

    async def explain(self, task_id: UUID) -> bool:
        """Tell whether a lease is gone because its task was cancelled; `False` if nobody knows."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                stream = await self._event_log.stream(task_id)
        except (StoreError, TimeoutError):
            return False
        return bool(stream) and stream[-1].type == TaskCancelled.__name__

    def _told(self, task_id: UUID) -> None:
        run = self._runs.find(task_id)
        if run is not None and not run.ending:
            self._runs.cancel(run)
