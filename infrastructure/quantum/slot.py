"""A place in the pool where one circuit runs at a time, and one more may lie ready."""

import asyncio
from collections.abc import Callable

from domain.execution import RunOutcome
from infrastructure.quantum.frames import request_to_json
from infrastructure.quantum.job import Job, JobState
from infrastructure.quantum.process import SimulatorProcess

LINGER_SECONDS = 0.02
"""A run that lasts longer gives the request behind it back, for another slot to take."""


class Slot:
    """One simulator process and the jobs it holds.

    The slot keeps `current` equal to what the process runs and `piped` to what it will run
    next without a word from here.
    """

    __slots__ = ("_expired", "_linger", "_lingered", "_timer", "current", "piped", "process")

    def __init__(
        self, lingered: Callable[["Slot", Job], None], expired: Callable[["Slot", Job], None]
    ) -> None:
        self.process: SimulatorProcess | None = None
        self.current: tuple[int, Job] | None = None
        self.piped: tuple[int, Job] | None = None
        self._lingered = lingered
        self._expired = expired
        self._linger = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether a job would begin at once here."""
        return self.process is not None and self.current is None

    @property
    def accepts(self) -> bool:
        """Whether a job may lie ready here: what runs has so far been quick."""
        return self.current is not None and self.piped is None and not self._linger

    def give(self, token: int, job: Job) -> None:
        """Send a job to the process: to begin at once, or to lie in its pipe."""
        process = self.process
        if process is None:
            raise RuntimeError("The slot has no simulator.")
        process.send(token, request_to_json(job.request))
        if self.current is None:
            self._begin(token, job)
        else:
            self.piped = (token, job)
            job.state = JobState.PIPED

    def finish(self, token: int) -> Job:
        """The process answered: forget the job that ran and note that the next one runs."""
        if self.current is None or self.current[0] != token:
            raise KeyError(token)
        _, job = self.current
        self._clear_timer()
        self.current = None
        if self.piped is not None:
            following, self.piped = self.piped, None
            self._begin(*following)
        return job

    def take_back(self) -> Job | None:
        """Take the piped job back, if the process has not begun it meanwhile."""
        if self.process is None or self.piped is None:
            return None
        token, job = self.piped
        if not self.process.take_back(token):
            return None
        self.piped = None
        job.state = JobState.QUEUED
        return job

    def vacate(self) -> tuple[Job | None, Job | None]:
        """Give up the process; returns the job that ran and the one that had not begun.

        If the pipe cannot be read any more the second job counts as not begun all the same: the
        process is dead or about to be, and no answer of it will be accepted.
        """
        running = self.current[1] if self.current else None
        waiting = self.piped[1] if self.piped else None
        self._clear_timer()
        self.process = self.current = self.piped = None
        if waiting is not None:
            waiting.state = JobState.QUEUED
        return running, waiting

    def _begin(self, token: int, job: Job) -> None:
        self.current = (token, job)
        self._linger = False
        job.state = JobState.RUNNING
        if not job.started.done():
            job.started.set_result(None)
        loop = asyncio.get_running_loop()
        if job.timeout <= LINGER_SECONDS:
            self._timer = loop.call_later(job.timeout, self._expired, self, job)
        else:
            self._timer = loop.call_later(LINGER_SECONDS, self._after_linger, job)

    def _after_linger(self, job: Job) -> None:
        self._linger = True
        rest = job.timeout - LINGER_SECONDS
        self._timer = asyncio.get_running_loop().call_later(rest, self._expired, self, job)
        self._lingered(self, job)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._linger = False


def settle(job: Job, outcome: RunOutcome | Exception | None) -> None:
    """Give a job its outcome, or none at all when it is withdrawn."""
    job.state = JobState.WITHDRAWN if outcome is None else JobState.DONE
    if not job.started.done():
        job.started.cancel()
    if job.outcome.done():
        return
    if outcome is None:
        job.outcome.cancel()
    elif isinstance(outcome, Exception):
        job.outcome.set_exception(outcome)
        job.outcome.exception()
    else:
        job.outcome.set_result(outcome)
