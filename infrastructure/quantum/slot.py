"""A place in the pool where one circuit runs at a time, and some more may lie ready."""

import asyncio
from collections import deque
from collections.abc import Callable

from domain.execution import RunOutcome
from domain.run_json import request_to_json
from infrastructure.quantum.job import Job, JobState
from infrastructure.quantum.process import SimulatorProcess

LINGER_SECONDS = 0.02
"""A run that lasts longer gives the requests behind it back, for other slots to take."""

PIPE_DEPTH = 4
"""Requests that may lie ready, so that a quick process is busy while the event loop is."""


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
        self.piped: deque[tuple[int, Job]] = deque()
        self._lingered = lingered
        self._expired = expired
        self._linger = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether a job would begin at once here."""
        return self.process is not None and self.current is None

    @property
    def places(self) -> int:
        """Jobs that would begin at once or lie ready here; none behind a run that takes long."""
        if self.process is None or self._linger:
            return 0
        return PIPE_DEPTH - len(self.piped) + (self.current is None)

    def give(self, token: int, job: Job) -> None:
        """Send a job to the process: to begin at once, or to lie in its pipe."""
        process = self.process
        if process is None:
            raise RuntimeError("The slot has no simulator.")
        process.send(token, request_to_json(job.request))
        if self.current is None:
            self._begin(token, job)
        else:
            self.piped.append((token, job))
            job.state = JobState.PIPED

    def holds(self, job: Job) -> bool:
        """Whether the job runs or lies ready here."""
        return (self.current is not None and self.current[1] is job) or any(
            piped is job for _, piped in self.piped
        )

    def finish(self, token: int) -> Job:
        """The process answered: forget the job that ran and note that the next one runs."""
        if self.current is None or self.current[0] != token:
            raise KeyError(token)
        _, job = self.current
        self._clear_timer()
        self.current = None
        if self.piped:
            self._begin(*self.piped.popleft())
        return job

    def take_back(self, *wanted: Job) -> list[Job]:
        """Take piped jobs back, all of them or those that are wanted, in order.

        Jobs that the process has begun meanwhile stay.
        """
        tokens = {token for token, job in self.piped if not wanted or job in wanted}
        if self.process is None or not tokens:
            return []
        taken = self.process.take_back(tokens)
        jobs = [job for token, job in self.piped if token in taken]
        self.piped = deque((token, job) for token, job in self.piped if token not in taken)
        for job in jobs:
            job.state = JobState.QUEUED
        return jobs

    def vacate(self) -> list[Job]:
        """Give up the process; returns the jobs it held, the one that ran first.

        The others count as not begun: the process is dead or about to be, and no answer of it will
        be accepted.
        """
        held = [] if self.current is None else [self.current[1]]
        held += [job for _, job in self.piped]
        self._clear_timer()
        self.process = self.current = None
        self.piped.clear()
        return held

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
