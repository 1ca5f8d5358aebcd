"""Lets tasks go when their earliest start has come.

The database's clock decides what is due, and tells when the next one will be. The wait until then
is measured by a monotonic clock, and is never longer than `LOOK_SECONDS`: a task that is submitted
meanwhile may be due earlier.
"""

import asyncio
from collections.abc import Callable

import structlog

from domain.errors import StoreError
from domain.ports import Outbox

LOOK_SECONDS = 1.0
LEAST_SECONDS = 0.01
"""Where a row is due and was skipped, because somebody else is just changing it."""

log = structlog.get_logger()


class Schedule:
    """Releases what is due.

    Args:
        outbox: the rows.
        on_waiting: called when rows may be chosen that were held.
    """

    def __init__(self, outbox: Outbox, on_waiting: Callable[[], None]) -> None:
        self._outbox = outbox
        self._on_waiting = on_waiting

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                wait = await self.look()
            except StoreError:
                # The dispatcher says that the database is away.
                wait = LOOK_SECONDS
            await asyncio.sleep(wait)

    async def look(self) -> float:
        """Release what is due; returns in how many seconds to look again.

        Raises:
            StoreUnavailable: nothing is lost, the next look goes on here.
        """
        released = await self._outbox.release()
        if released.count:
            log.debug("Tasks are due", count=released.count)
            self._on_waiting()
        if released.next_seconds is None:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(LEAST_SECONDS, released.next_seconds))
