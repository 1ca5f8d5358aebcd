"""What happens now, for readers that wait for it."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from domain.events import TaskCancelled, TaskCompleted, TaskFailed
from domain.log import LogCursor, LoggedEvent

ENDS = frozenset(kind.__name__ for kind in (TaskCompleted, TaskFailed, TaskCancelled))
"""Types of the events after which a task's status never changes."""


class LiveQueries(Protocol):
    """Reads what has been added to the log since the last look; each call looks once."""

    async def tip(self) -> LogCursor:
        """Return the place in the whole log behind all that can be read now.

        Raises:
            StoreUnavailable: the log cannot be read now.
        """
        ...

    async def follow(self, after: LogCursor, limit: int) -> Sequence[LoggedEvent]:
        """Return the next events of the whole log after a cursor, never skipping one.

        As `EventLog.read`: events of transactions that are still open come later.

        Raises:
            StoreUnavailable: the log cannot be read now.
        """
        ...

    async def news(self, known: Mapping[UUID, int], limit: int) -> Sequence[LoggedEvent]:
        """Return what has happened to these tasks above the versions known of them.

        Each task's events come oldest first and without a gap. Where there are more than `limit`,
        the rest comes when those are known.

        Raises:
            StoreUnavailable: the log cannot be read now.
        """
        ...
