"""A claimed task on its way through a worker."""

import asyncio
from dataclasses import dataclass

from domain.task import Task
from infrastructure.quantum.pool import Job
from infrastructure.telemetry.context import trace_id_of


@dataclass(slots=True, eq=False)
class Run:
    """A claimed task.

    Attributes:
        task: as the claim has left it.
        claimed_at: `time.monotonic()` of the claim.
        started_at: the same of the beginning of the run, and `over_at` of its end.
        job: its place in the pool; `None` when there is nothing to run.
        is_long: the run has lasted longer than what may be ahead of another one.
        ending: how it ends is decided and on its way to the log.
        lost: the task was taken from this worker; nothing of it goes to the log any more.
        cancelled: it was taken because somebody had cancelled it.
        stopped_because: this worker ended the run, and the task goes back for this reason.
    """

    task: Task
    claimed_at: float
    started_at: float | None = None
    job: Job | None = None
    is_long: bool = False
    ending: bool = False
    lost: bool = False
    cancelled: bool = False
    stopped_because: str | None = None
    timer: asyncio.TimerHandle | None = None
    over_at: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it is claimed and no simulator has begun it."""
        return self.job is not None and self.started_at is None and not self.ending


def naming(run: Run) -> dict[str, str | int]:
    """Return what names a run in the log."""
    return {
        "task_id": str(run.task.task_id),
        "attempt": run.task.attempt,
        "correlation_id": run.task.metadata.correlation_id,
        "trace_id": trace_id_of(run.task.metadata.traceparent),
    }
