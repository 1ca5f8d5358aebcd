"""Batches: tasks that were submitted together, all of them or none.

A batch is no thing of its own. Its tasks carry its id among their labels, and how it stands is how
they stand. Their ids derive from it, so that the order of ids is the order of the submission.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from domain.log import Append, Appended, RecordedEvent
from domain.status import Status

MAX_BATCH_TASKS: Final = 1_000
SHOWN_FAILURES: Final = 10
"""A batch's answer shows so many of its failures, the first ones."""


@dataclass(frozen=True, slots=True)
class BatchFailure:
    """A task of a batch that has failed."""

    task_id: UUID
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchView:
    """How a batch stands.

    Attributes:
        counts: how many of its tasks have each status; all five are there.
        submitted_at: when the first of its tasks was recorded.
        started_at: when the first of those that have started did.
        completed_at: when the last of those that have ended did.
        failures: the first `SHOWN_FAILURES` of them.
    """

    batch_id: UUID
    counts: Mapping[Status, int]
    correlation_id: str
    submitted_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    failures: Sequence[BatchFailure]

    @property
    def tasks(self) -> int:
        """How many tasks it has."""
        return sum(self.counts.values())

    @property
    def ended(self) -> bool:
        """Whether all of its tasks have."""
        return not any(count for status, count in self.counts.items() if not status.terminal)


class BatchQueries(Protocol):
    """Reads batches."""

    async def view(self, batch_id: UUID, tenant: str | None = None) -> BatchView | None:
        """Return how a batch stands, or `None` for an unknown id; raises `StoreUnavailable`.

        Args:
            tenant: to whom the batches of others are unknown; `None` for whoever sees all.
        """
        ...

    async def open_streams(
        self, batch_id: UUID, tenant: str | None, limit: int
    ) -> list[Sequence[RecordedEvent]]:
        """Return the events of the first tasks of a batch that have not ended.

        Raises:
            InvalidEvent: events of one make no sense.
            StoreUnavailable: they cannot be read now.
        """
        ...


class BatchLog(Protocol):
    """The side of the event log that takes many events or none of them."""

    async def append_atomically(self, appends: Sequence[Append]) -> list[Appended] | None:
        """Store appends in one transaction, or none of them.

        Repeating a call that was stored before gives its first answer again.

        Args:
            appends: at least one, at most one a task.

        Returns:
            One result for each append, in the order given; `None` where one of them conflicts.

        Raises:
            EmptyAppend: there is none.
            AppendRefused: the data of one cannot be stored, and none was.
            StoreUnavailable: nothing was written.
            OutcomeUnknown: the connection broke in the commit.
        """
        ...


class AtomicAppender(Protocol):
    """Adds batches to the log, also across a connection that breaks."""

    async def append_atomically(
        self, appends: Sequence[Append], deadline: float
    ) -> list[Appended] | None:
        """Store appends, or none of them; see `BatchLog.append_atomically`.

        Args:
            deadline: seconds this call may take.
        """
        ...
