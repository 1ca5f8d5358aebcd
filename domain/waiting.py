"""Why a task waits, its place in the line, and when it may start.

Says to a client what the relay's choice and the workers' claims come to; nothing is decided here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from domain.status import Status

RATE_SECONDS: Final = 60.0
"""Starts are counted over so long at most."""

COUNTED_AHEAD: Final = 100_000
"""Of the tasks that go first, so many are counted."""

SECOND: Final = timedelta(seconds=1)
QUIET_SECONDS: Final = 5.0
"""A task that has been ready for less is not said to lack a worker."""


class WaitReason(StrEnum):
    """What a pending task waits for."""

    NOT_BEFORE = "not_before"
    PAUSED = "paused"
    NO_WORKER = "no_worker"
    TURN = "turn"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """How a task stands in the line of its tenant, at one moment.

    Attributes:
        status: of the task; all below is about a pending one and says nothing otherwise.
        now: that moment, by the store's clock.
        ready_since: since when it has been pending, or its earliest start where that is later.
        sent: whether the broker has a message for it.
        own_ahead: tasks of its tenant that go before it and that no worker has claimed, up to
            `COUNTED_AHEAD`.
        sent_ahead: tasks of all tenants that the broker has messages for and that go before it.
        lines: tenants that have tasks waiting for their turn, this one included.
        starts: tasks a second that began lately, of all tenants.
        own_starts: the same, of its tenant.
        paused: whether tasks are handed to workers at all.
        working: whether any worker has claimed anything.
    """

    task_id: UUID
    status: Status
    now: datetime
    ready_since: datetime
    sent: bool = False
    own_ahead: int = 0
    sent_ahead: int = 0
    lines: int = 1
    starts: float = 0.0
    own_starts: float = 0.0
    paused: bool = False
    working: bool = False

    @property
    def position(self) -> int | None:
        """Its place among the waiting tasks of its tenant, from 1; `None` if it does not wait."""
        return self.own_ahead + 1 if self.status is Status.PENDING else None

    @property
    def reason(self) -> WaitReason | None:
        """What it waits for; `None` if it does not wait."""
        if self.status is not Status.PENDING:
            return None
        if self.ready_since > self.now:
            return WaitReason.NOT_BEFORE
        if self.paused and not self.sent:
            return WaitReason.PAUSED
        waited = (self.now - self.ready_since).total_seconds()
        if not self.working and not self.starts and waited > QUIET_SECONDS:
            return WaitReason.NO_WORKER
        return WaitReason.WORKER if self.sent else WaitReason.TURN

    @property
    def estimated_start(self) -> datetime | None:
        """When it starts if tasks go on to begin as fast as they did lately; a whole second.

        `None` where that cannot be told: it does not wait, dispatch is paused, or nothing began
        within the last `RATE_SECONDS`.
        """
        if self.status is not Status.PENDING or not self.starts or (self.paused and not self.sent):
            return None
        wait = self.sent_ahead / self.starts
        if not self.sent:
            # A tenant that had little to do lately gets its part of all starts from now on.
            wait += self.own_ahead / max(self.own_starts, self.starts / self.lines)
        start = max(self.now + timedelta(seconds=wait), self.ready_since)
        return start if start.microsecond == 0 else start.replace(microsecond=0) + SECOND


class QueueQueries(Protocol):
    """Reads the line."""

    async def place(self, task_id: UUID, tenant: str | None = None) -> QueuePlace | None:
        """Return how a task stands in the line, or `None` for an unknown id.

        Args:
            tenant: to whom the tasks of others are unknown; `None` for whoever sees all.

        Raises:
            StoreUnavailable: it cannot be read now.
        """
        ...
