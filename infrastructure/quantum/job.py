"""One circuit on its way through a pool of simulators."""

import asyncio
import enum
from collections.abc import Callable

from domain.execution import RunOutcome, RunRequest


class SimulatorDied(Exception):
    """A simulator process ended in the middle of a run, and not by our doing.

    Attributes:
        reason: how it ended, for the log and the task's history.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PoolClosed(Exception):
    """The pool was closed before this job had an outcome."""


class JobState(enum.Enum):
    """Where a job is.

    QUEUED <-> PIPED -> RUNNING -> DONE
       |         |         |
       +---------+---------+--> DONE (cancelled, pool closed)
       +---------+------------> WITHDRAWN
    """

    QUEUED = enum.auto()
    PIPED = enum.auto()
    RUNNING = enum.auto()
    DONE = enum.auto()
    WITHDRAWN = enum.auto()


class Job:
    """A submitted run.

    Attributes:
        request: what is to be run.
        timeout: wall-clock limit in seconds, counted from the moment the run begins.
        outcome: the result, or `SimulatorDied` if the simulator crashed or was killed by
            somebody else, or `PoolClosed`. Cancelled if the job is withdrawn.
        started: done when a simulator begins the run; cancelled if that never happens.
        state: see `JobState`.
        peak_memory_bytes: highest resident memory of the simulator during the run, once it is
            over and as far as it is known.
    """

    __slots__ = (
        "_canceller",
        "outcome",
        "peak_memory_bytes",
        "request",
        "started",
        "state",
        "timeout",
    )

    def __init__(
        self, request: RunRequest, timeout: float, canceller: Callable[["Job"], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.request = request
        self.timeout = timeout
        self.outcome: asyncio.Future[RunOutcome] = loop.create_future()
        self.started: asyncio.Future[None] = loop.create_future()
        self.state = JobState.QUEUED
        self.peak_memory_bytes: int | None = None
        self._canceller = canceller

    @property
    def running(self) -> bool:
        """Whether a simulator is at work on this job now."""
        return self.state is JobState.RUNNING

    def cancel(self) -> None:
        """Stop the job. Its outcome is `RunFailed` with the code `cancelled` at once.

        A running simulator is killed and replaced; a waiting job leaves the queue. After the
        outcome is known this does nothing.
        """
        self._canceller(self)
