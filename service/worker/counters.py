"""What a worker has done since it started."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Plain numbers, only ever growing.

    Attributes:
        claimed: attempts begun.
        dropped: messages whose task was not pending, or that another worker was quicker to claim.
        unreadable: messages that name no task, sent to the dead-letter queue.
        given_back: messages returned to the queue unclaimed.
        completed: results recorded.
        failed: failures recorded.
        requeued: attempts given up, the task being pending again.
        handed_back: those of `requeued` that had not been tried.
        stale: outcomes that the log refused because the task had been taken away.
        lost: runs stopped because their lease was gone.
    """

    claimed: int = 0
    dropped: int = 0
    unreadable: int = 0
    given_back: int = 0
    completed: int = 0
    failed: int = 0
    requeued: int = 0
    handed_back: int = 0
    stale: int = 0
    lost: int = 0
