"""How many tasks wait, known without asking for each submission; too many are answered 503.

Counting them takes the longer the more there are. So it is done in the background, at most
`LARGEST_SHARE` of the time, and up to the limit only. In between, what this process has stored
since is added. What other API processes store meanwhile is not known here: together they may go
over the limit by what they store between two counts.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from typing import Protocol

import asyncpg
import structlog

from domain.errors import StoreError
from service.api.problems import FieldProblem, Problem, invalid_request, unavailable

SHORTEST_INTERVAL_SECONDS = 1.0
LARGEST_SHARE = 0.05

log = structlog.get_logger(__name__)


class PendingTasks(Protocol):
    """Counts tasks that no worker has claimed."""

    async def pending(self, most: int) -> int:
        """Return how many there are, `most` at most; raises `StoreUnavailable`."""
        ...


class Backlog:
    """Judges whether more tasks may wait.

    Args:
        tasks: what is counted.
        limit: from so many on, submissions are refused.
        clock: monotonic seconds.
    """

    def __init__(
        self, tasks: PendingTasks, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tasks = tasks
        self._limit = limit
        self._clock = clock
        self._room: int | None = None
        self._stored = 0
        self._interval = SHORTEST_INTERVAL_SECONDS
        self._full = False
        self._counting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to count, in the background."""
        self._counting = asyncio.create_task(self._keep_counting(), name="backlog")

    async def close(self) -> None:
        """Stop counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)

    def check(self, tasks: int = 1) -> None:
        """Let a submission of so many tasks pass, also while nothing is known yet.

        Raises:
            Problem: 503, as many tasks wait as may; 422, so many never may.
        """
        if tasks > self._limit:
            reason = f"makes {tasks} tasks, and at most {self._limit} may wait to be run"
            raise invalid_request([FieldProblem("body", reason)])
        if self._room is not None and self._stored + tasks > self._room:
            self._say(full=True)
            raise self._refusal()

    def stored(self, tasks: int = 1) -> None:
        """Say that so many tasks were stored."""
        self._stored += tasks

    async def count(self) -> None:
        """Count once; raises `StoreUnavailable`, the count before stays good then."""
        before, begun = self._stored, self._clock()
        pending = await self._tasks.pending(self._limit)
        self._interval = max(SHORTEST_INTERVAL_SECONDS, (self._clock() - begun) / LARGEST_SHARE)
        self._room = self._limit - pending
        # What was stored while the count was made may be in it already: better once too often.
        self._stored -= before
        if self._stored < self._room:
            self._say(full=False)

    async def _keep_counting(self) -> None:
        while True:
            # Others say that the database is away, or without its schema.
            with contextlib.suppress(StoreError, asyncpg.PostgresError):
                await self.count()
            await asyncio.sleep(self._interval)

    def _refusal(self) -> Problem:
        return unavailable(
            "backlog-full",
            "Too many tasks wait",
            f"{self._limit} tasks wait to be run already, and no more are taken on. "
            "This request stored nothing; send it again later.",
            retry_after=math.ceil(self._interval),
        )

    def _say(self, *, full: bool) -> None:
        if full and not self._full:
            log.warning("Too many tasks wait, submissions are refused", limit=self._limit)
        elif self._full and not full:
            log.info("Fewer tasks wait, submissions are taken on again")
        self._full = full
