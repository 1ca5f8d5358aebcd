"""How many tasks of each tenant wait, known without asking for each submission.

As in `backlog`, tasks are counted in the background and what this process has stored since is
added; here only those of the tenants that have submitted lately. Too many are answered 429: other
tenants are served, so it is this one that has to wait.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import asyncpg

from domain.errors import StoreError
from service.api.caller import Caller
from service.api.problems import FieldProblem, Problem, invalid_request

SHORTEST_INTERVAL_SECONDS: Final = 1.0
LARGEST_SHARE: Final = 0.05
IDLE_SECONDS: Final = 60.0
"""A tenant that has submitted nothing for so long is counted no more, until it does again."""


class PendingOfTenants(Protocol):
    """Counts tasks that no worker has claimed."""

    async def pending_of(self, most: Mapping[str, int]) -> Mapping[str, int]:
        """Return how many each tenant has, up to the number given for it.

        Raises:
            StoreUnavailable: they cannot be counted now.
        """
        ...


@dataclass(slots=True)
class _Backlog:
    """What is known of one tenant.

    Attributes:
        limit: how many of its tasks may wait.
        submitted_at: when it last asked for a task to be stored.
        pending: how many waited at the last count; 0 before the first.
        stored: how many were stored here since.
    """

    limit: int
    submitted_at: float
    pending: int = 0
    stored: int = 0


class TenantBacklogs:
    """Judges whether more tasks of a tenant may wait; the one without a name has no limit.

    Args:
        tasks: what is counted.
        limit: of a tenant without a limit of its own; 0 lets any number wait.
        clock: monotonic seconds.
    """

    def __init__(
        self, tasks: PendingOfTenants, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tasks = tasks
        self._limit = limit
        self._clock = clock
        self._known: dict[str, _Backlog] = {}
        self._interval = SHORTEST_INTERVAL_SECONDS
        self._counting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to count, in the background."""
        self._counting = asyncio.create_task(self._keep_counting(), name="tenants' backlogs")

    async def close(self) -> None:
        """Stop counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)

    def check(self, caller: Caller, tasks: int = 1) -> None:
        """Let so many tasks pass, also while nothing is known yet.

        Raises:
            Problem: 429, as many tasks of this tenant wait as may; 422, so many never may.
        """
        limit = self._limit if caller.limits.backlog is None else caller.limits.backlog
        if not limit or not caller.tenant:
            return
        if tasks > limit:
            reason = f"makes {tasks} tasks, and at most {limit} of your tenant may wait to be run"
            raise invalid_request([FieldProblem("body", reason)])
        known = self._known.get(caller.tenant)
        if known is None:
            known = self._known[caller.tenant] = _Backlog(limit, self._clock())
        known.limit = limit
        known.submitted_at = self._clock()
        if known.pending + known.stored + tasks > limit:
            raise self._refusal(limit)

    def stored(self, tenant: str, tasks: int = 1) -> None:
        """Say that so many tasks were stored."""
        known = self._known.get(tenant)
        if known is not None:
            known.stored += tasks

    async def count(self) -> None:
        """Count once; raises `StoreUnavailable`, the count before stays good then."""
        begun = self._clock()
        self._known = {
            tenant: known
            for tenant, known in self._known.items()
            if known.submitted_at > begun - IDLE_SECONDS
        }
        if not self._known:
            self._interval = SHORTEST_INTERVAL_SECONDS
            return
        before = {tenant: known.stored for tenant, known in self._known.items()}
        found = await self._tasks.pending_of(
            {tenant: known.limit for tenant, known in self._known.items()}
        )
        self._interval = max(SHORTEST_INTERVAL_SECONDS, (self._clock() - begun) / LARGEST_SHARE)
        for tenant, stored in before.items():
            known = self._known[tenant]
            known.pending = found.get(tenant, 0)
            # What was stored while the count was made may be in it already: better once too often.
            known.stored -= stored

    async def _keep_counting(self) -> None:
        while True:
            # Others say that the database is away, or without its schema.
            with contextlib.suppress(StoreError, asyncpg.PostgresError):
                await self.count()
            await asyncio.sleep(self._interval)

    def _refusal(self, limit: int) -> Problem:
        return Problem(
            429,
            "tenant-backlog-full",
            "Too many of your tasks wait",
            f"Your tenant may have {limit} tasks that wait to be run, and no more are taken on. "
            "This request stored nothing; send it again when some of them have begun, or cancel "
            "some.",
            headers={"retry-after": str(math.ceil(self._interval))},
            members={"violated-policies": ["backlog"]},
        )
