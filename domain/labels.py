"""What a client says about a task beside the circuit: how to find it, and when it should run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

HEAD_START: Final = timedelta(hours=24)
"""A task passes those of the next lower priority that came up to so long before it."""


class Priority(StrEnum):
    """How urgent a task is among those of its tenant."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def head_start(self) -> timedelta:
        """How far before its time a task stands in the line of its tenant."""
        return _HEAD_STARTS[self]


_HEAD_STARTS: Final[Mapping[Priority, timedelta]] = {
    Priority.LOW: -HEAD_START,
    Priority.NORMAL: timedelta(0),
    Priority.HIGH: HEAD_START,
}


@dataclass(frozen=True, slots=True)
class Labels:
    """A client's words about a task. None of them changes how its circuit is run.

    Attributes:
        name: for people; `None` where it has none.
        tags: names and values by which tasks are found, in the client's order.
        not_before: the earliest time at which a worker may get the task.
        batch_id: what was submitted together with it.
        origin: the task that this one tries again.
    """

    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    not_before: datetime | None = None
    batch_id: UUID | None = None
    origin: UUID | None = None


NO_LABELS: Final = Labels()


def turn_of(labels: Labels, waiting_since: datetime) -> datetime:
    """Return by which time a task that waits stands in the line of its tenant: earliest first.

    Args:
        waiting_since: when it became pending, or pending again.
    """
    ready_at = waiting_since
    if labels.not_before is not None and labels.not_before > ready_at:
        ready_at = labels.not_before
    return ready_at - labels.priority.head_start
