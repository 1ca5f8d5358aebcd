"""Ends attempts whose workers are gone: their leases ran out.

Every relay looks at the leases, and the one that leads acts. So a relay that takes over has seen
how long the database was there, and dead workers need not wait for it to find out.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from domain.errors import InvalidEvent, StoreError, TransitionRefused
from domain.events import RequeueReason
from domain.log import Append, Appended, History
from domain.ports import EventLog, ExpiredLease, Leases
from domain.task import GiveUp, decide, fold
from infrastructure.telemetry import metrics
from infrastructure.telemetry.context import trace_id_of
from infrastructure.telemetry.tracing import NO_TRACING, Tracing
from relay.spans import record_lost_attempt

INTERVAL_SECONDS = 0.2
LONGEST_GAP_SECONDS = 1.5
BATCH = 100
GRACE_LEASES = 2
ACTOR = "relay"

log = structlog.get_logger()


class Grace:
    """The time in which nobody is taken for dead: workers could not renew either.

    Args:
        seconds: how long it lasts.
        longest_gap: seconds between two looks from which on the looker itself was away.
    """

    def __init__(self, seconds: float, longest_gap: float) -> None:
        self._seconds = seconds
        self._longest_gap = longest_gap
        self._looked_at: float | None = None
        self._ends_at = 0.0

    def over(self, now: float) -> bool:
        """Take note of a look at the leases; tells whether it may have consequences."""
        if self._looked_at is None or now - self._looked_at > self._longest_gap:
            self._ends_at = now + self._seconds
        self._looked_at = now
        return now >= self._ends_at

    def begin(self) -> None:
        """Say that the leases could not be looked at."""
        self._looked_at = None


class Reaper:
    """Gives up attempts on behalf of workers that no longer renew their leases.

    Args:
        event_log: where the attempts end.
        leases: who holds what.
        lease_seconds: length of a lease; grace lasts twice as long.
        max_attempts: after so many lost attempts a task fails.
        on_requeued: called when a task may be pending again.
        leads: tells whether what is seen may have consequences now.
        tracing: makes the spans of attempts whose workers cannot.
    """

    def __init__(
        self,
        event_log: EventLog,
        leases: Leases,
        lease_seconds: float,
        max_attempts: int,
        on_requeued: Callable[[], None],
        *,
        leads: Callable[[], bool] = lambda: True,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._event_log = event_log
        self._leases = leases
        self._max_attempts = max_attempts
        self._on_requeued = on_requeued
        self._leads = leads
        self._tracing = tracing
        self._grace = Grace(GRACE_LEASES * lease_seconds, LONGEST_GAP_SECONDS)

    async def run(self) -> None:
        """Reap until cancelled."""
        while True:
            try:
                await self.round()
            except StoreError:
                # The dispatcher says that the database is away.
                self._grace.begin()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self) -> int:
        """Look once; returns how many attempts were ended. Raises `StoreUnavailable`."""
        expired = await self._leases.expired(BATCH)
        if not self._grace.over(time.monotonic()) or not expired or not self._leads():
            return 0
        return await self._reap(expired)

    async def _reap(self, expired: Sequence[ExpiredLease]) -> int:
        histories = await self._histories([lease.task_id for lease in expired])
        appends = [
            append
            for lease in expired
            if lease.task_id in histories
            and (append := self._give_up(lease, histories[lease.task_id])) is not None
        ]
        if not appends:
            return 0
        begun = time.time_ns()
        results = await self._event_log.append(appends)
        written = time.time_ns()
        ended = 0
        for append, result in zip(appends, results, strict=True):
            # A conflict means that the worker, or another reaper, was faster.
            if isinstance(result, Appended):
                ended += 1
                metrics.count_appended(append.event)
                _report(append)
                started_at = histories[append.task_id].events[-1].recorded_at
                record_lost_attempt(self._tracing, append, started_at, begun, written)
        metrics.ATTEMPTS_REAPED.inc(ended)
        if ended:
            self._on_requeued()
        return ended

    def _give_up(self, lease: ExpiredLease, history: History) -> Append | None:
        detail = f"worker {lease.worker_id} stopped renewing its lease"
        try:
            task = fold(history.events)
            event = decide(
                task,
                GiveUp(lease.attempt, RequeueReason.WORKER_LOST, detail, self._max_attempts),
            )
        except TransitionRefused:
            return None
        except InvalidEvent:
            log.exception("A task's history cannot be read", task_id=str(lease.task_id))
            return None
        if task is None:
            return None
        metadata = task.metadata.followed_by(ACTOR, task.last_event_id)
        return Append(task.task_id, task.version, event, metadata)

    async def _histories(self, task_ids: Sequence[UUID]) -> dict[UUID, History]:
        """Read histories; one that cannot be read never hides its neighbours."""
        try:
            return await self._event_log.histories(task_ids)
        except InvalidEvent:
            if len(task_ids) == 1:
                log.exception("A task's history cannot be read", task_id=str(task_ids[0]))
                return {}
        histories: dict[UUID, History] = {}
        for task_id in task_ids:
            histories |= await self._histories([task_id])
        return histories


def _report(append: Append) -> None:
    log.warning(
        "An attempt was given up: its lease ran out",
        task_id=str(append.task_id),
        correlation_id=append.metadata.correlation_id,
        trace_id=trace_id_of(append.metadata.traceparent),
        attempt=getattr(append.event, "attempt", None),
        outcome=type(append.event).__name__,
    )
