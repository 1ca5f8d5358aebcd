"""What a worker has done since it started."""

from dataclasses import dataclass, field
from enum import StrEnum


class Dropped(StrEnum):
    """Why a message led to no claim: it was acknowledged, and nothing else came of it."""

    CLAIM_CONFLICT = "claim_conflict"
    """The task was pending, and another worker was quicker."""
    ALREADY_CLAIMED = "already_claimed"
    """The task is being processed: a message that came twice."""
    ALREADY_ENDED = "already_ended"
    """The task has ended: a message that came twice, or a task that was cancelled."""
    UNKNOWN_TASK = "unknown_task"
    """The log has no such task, or a newer version has written it."""
    TAKEN_BACK = "taken_back"
    """The connection broke meanwhile, and RabbitMQ gives the message to someone else."""


@dataclass(slots=True)
class Counters:
    """Plain numbers, only ever growing.

    Attributes:
        claimed: attempts begun.
        dropped_because: messages that led to no claim.
        redelivered: messages that the broker had handed out before.
        unreadable: messages that name no task, sent to the dead-letter queue.
        given_back: messages returned to the queue unclaimed.
        completed: results recorded.
        failed: failures recorded.
        requeued: attempts given up, the task being pending again.
        handed_back: those of `requeued` that had not been tried.
        stale: outcomes that the log refused because the task had been taken away.
        lost: runs stopped because their lease was gone.
        cancelled: runs stopped because their task was cancelled.
    """

    claimed: int = 0
    dropped_because: dict[Dropped, int] = field(default_factory=lambda: dict.fromkeys(Dropped, 0))
    redelivered: int = 0
    unreadable: int = 0
    given_back: int = 0
    completed: int = 0
    failed: int = 0
    requeued: int = 0
    handed_back: int = 0
    stale: int = 0
    lost: int = 0
    cancelled: int = 0

    @property
    def dropped(self) -> int:
        """Messages that led to no claim, for whatever reason."""
        return sum(self.dropped_because.values())
