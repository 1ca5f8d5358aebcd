"""Notices when an operator pauses or resumes dispatch, and says so.

Nothing is decided here: the statement that chooses what goes out looks at the pause itself.
"""

import asyncio
import time

import structlog

from domain.errors import StoreError
from domain.ports import Pause, Pauses
from infrastructure.telemetry import metrics
from infrastructure.telemetry.metrics import Reading

LOOK_SECONDS = 1.0
FRESH_SECONDS = 10 * LOOK_SECONDS

log = structlog.get_logger()


class PauseWatch:
    """Looks at the pause in force once a second, in every relay."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._pause: Pause | None = None
        self._looked_at: float | None = None

    @property
    def in_force(self) -> bool | None:
        """Whether dispatch was paused a moment ago; `None` while nobody can tell."""
        if self._looked_at is None or time.monotonic() - self._looked_at > FRESH_SECONDS:
            return None
        return self._pause is not None

    def show(self) -> None:
        """Show the pause with the metrics of this process."""
        metrics.register(
            Reading(
                "gauge",
                "ketlog_dispatch_paused",
                "1 while dispatch is paused by an operator: waiting tasks wait on purpose.",
                lambda: None if self.in_force is None else float(self.in_force),
            )
        )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError:
                # Others say that the database is away.
                self._looked_at = None
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once, and log what has changed since the last time; raises `StoreUnavailable`."""
        pause = await self._pauses.paused()
        if pause is not None and pause != self._pause:
            log.warning(
                "Dispatch is paused",
                since=pause.paused_at.isoformat(timespec="seconds"),
                reason=pause.reason,
                actor=pause.actor,
            )
        elif pause is None and self._pause is not None:
            log.info("Dispatch is resumed")
        self._pause = pause
        self._looked_at = time.monotonic()
