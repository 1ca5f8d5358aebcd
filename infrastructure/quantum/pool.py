"""A pool of simulator processes behind one queue. The parent side: imports no Qiskit."""

import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.execution import RunFailed, RunOutcome, RunRequest
from domain.run_json import outcome_from_json
from infrastructure.quantum.job import Job, JobState, PoolClosed, SimulatorDied
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.nursery import Nursery
from infrastructure.quantum.process import SimulatorProcess
from infrastructure.quantum.sandbox import hide_from_children
from infrastructure.quantum.slot import PIPE_DEPTH, Slot, settle

__all__ = [
    "EngineLimits",
    "Job",
    "PoolClosed",
    "PoolStatistics",
    "SimulatorDied",
    "SimulatorPool",
]


SIMULATOR = "infrastructure.quantum.child"


@dataclass(slots=True)
class PoolStatistics:
    """What happened since the pool was made.

    Attributes:
        finished: runs that ended with an answer of the simulator.
        timeouts: runs killed by their wall-clock limit.
        cancellations: runs killed by `Job.cancel`.
        overruns: runs killed by their limit of processor time, or in an endless loop.
        deaths: simulators that died by themselves after they were ready.
        recycled: simulators replaced because they kept too much memory.
    """

    finished: int = 0
    timeouts: int = 0
    cancellations: int = 0
    overruns: int = 0
    deaths: int = 0
    recycled: int = 0


class SimulatorPool:
    """Runs circuits in `slots` processes at once, first come, first served.

    Args:
        slots: circuits that run at the same time.
        limits: of each run.
        spares: processes that are kept warm for slots whose process was killed.
        on_capacity: see below.
        on_blocked: see below.
        program: Python module that is the simulator process.

    A slot whose run has been quick so far takes a few more jobs into its process's pipe, so that
    small circuits follow each other without a round trip. When the run turns out to be long, or
    when another slot has nothing to do, jobs are taken back out of the pipe and go where they can
    run.

    Attributes:
        statistics: counters.
        on_capacity: called on the event loop when a job submitted now would begin or lie next.
        on_blocked: called on the event loop when jobs wait and every slot has something slow.
    """

    def __init__(
        self,
        slots: int,
        limits: EngineLimits,
        spares: int = 1,
        *,
        on_capacity: Callable[[], None] | None = None,
        on_blocked: Callable[[], None] | None = None,
        program: str = SIMULATOR,
    ) -> None:
        self.limits = limits
        self.statistics = PoolStatistics()
        self.on_capacity = on_capacity
        self.on_blocked = on_blocked
        self._slots = [Slot(self._lingered, self._expired) for _ in range(slots)]
        self._queue: deque[Job] = deque()
        self._tokens = 0
        self._closed = False
        self._nursery = Nursery(
            limits,
            slots,
            spares,
            program,
            on_spare=self._fill_slots,
            on_answer=self._answered,
            on_death=self._died,
        )

    async def start(self) -> None:
        """Start the simulators and wait until every slot is ready.

        Raises:
            SimulatorDied: the simulators cannot start; the reason says why.
        """
        if os.geteuid() != 0:
            # Root's children have neither its user nor its capabilities left.
            hide_from_children()
        try:
            await self._nursery.start()
        except SimulatorDied:
            await self.close()
            raise

    async def close(self) -> None:
        """Kill every simulator, within 500 ms. Jobs without an outcome get `PoolClosed`."""
        self._closed = True
        left = list(self._queue)
        self._queue.clear()
        for slot in self._slots:
            left += slot.vacate()
        for job in left:
            settle(job, PoolClosed("The simulators were shut down before the run was over."))
        await self._nursery.close()

    def submit(self, request: RunRequest) -> Job:
        """Queue a run, first come, first served over all slots.

        Raises:
            PoolClosed: the pool is closed.
        """
        if self._closed:
            raise PoolClosed("The simulators are shut down.")
        timeout = self.limits.timeout(request.options.timeout_seconds)
        job = Job(request, timeout, self._cancel)
        self._queue.append(job)
        self._dispatch()
        return job

    def withdraw(self, job: Job) -> bool:
        """Take a job back that has not begun.

        Returns:
            True if no simulator has begun it; it then never has an outcome (`job.outcome` is
            cancelled). False if it runs or is over.
        """
        if not self._unqueue(job):
            return False
        settle(job, None)
        self._dispatch()
        return True

    @property
    def slots(self) -> int:
        """Slots in all."""
        return len(self._slots)

    @property
    def busy(self) -> int:
        """Slots at work."""
        return sum(slot.current is not None for slot in self._slots)

    @property
    def queued(self) -> int:
        """Jobs that have not begun, those in a simulator's pipe included."""
        return len(self._queue) + sum(len(slot.piped) for slot in self._slots)

    @property
    def waiting(self) -> int:
        """Jobs that have not begun and lie in no pipe."""
        return len(self._queue)

    @property
    def room(self) -> int:
        """How many more jobs would begin at once or lie next in a pipe."""
        return max(0, sum(slot.places for slot in self._slots) - len(self._queue))

    @property
    def simulators_started(self) -> int:
        """Processes started so far, spares included."""
        return self._nursery.started

    @property
    def spares_ready(self) -> int:
        """Processes that are warm and wait for a slot."""
        return self._nursery.ready

    @property
    def start_problem(self) -> str | None:
        """Why the latest simulator could not start; None when all is well."""
        return self._nursery.problem

    def _dispatch(self) -> None:
        """Hand out waiting jobs: first to idle slots, then into the pipes of quick ones."""
        while self._queue and (slot := self._open_slot()) is not None:
            self._give(slot, self._queue.popleft())
        for slot in self._slots:
            if slot.idle:
                self._relieve_another(slot)
        if self.on_capacity is not None and not self._closed and self.room:
            self.on_capacity()

    def _give(self, slot: Slot, job: Job) -> None:
        self._tokens += 1
        slot.give(self._tokens, job)

    def _open_slot(self) -> Slot | None:
        slot = max(self._slots, key=_attraction)
        return slot if slot.places else None

    def _relieve_another(self, idle: Slot) -> None:
        """Let an idle slot run what lies ready elsewhere."""
        fullest = max(self._slots, key=lambda slot: len(slot.piped))
        if fullest.piped:
            for job in fullest.take_back(fullest.piped[0][1]):
                self._give(idle, job)

    def _unqueue(self, job: Job) -> bool:
        """Remove a job from the queue or from a pipe; False if it has begun."""
        if job.state is JobState.QUEUED:
            self._queue.remove(job)
            return True
        return job.state is JobState.PIPED and bool(self._slot_of(job).take_back(job))

    def _cancel(self, job: Job) -> None:
        if job.outcome.done() and job.state in {JobState.DONE, JobState.WITHDRAWN}:
            return
        cancelled = RunFailed("cancelled", "The run was cancelled.")
        if self._unqueue(job):
            settle(job, cancelled)
            self._dispatch()
            return
        self.statistics.cancellations += 1
        self._stop(self._slot_of(job), job, cancelled)

    def _expired(self, slot: Slot, job: Job) -> None:
        self.statistics.timeouts += 1
        message = (
            f"The run was stopped after its limit of {job.timeout:g} seconds. Ask for fewer shots,"
            f" a smaller circuit or, up to {self.limits.max_timeout_seconds:g}, a higher"
            " `timeout_seconds`."
        )
        self._stop(slot, job, RunFailed("timeout", message))

    def _slot_of(self, job: Job) -> Slot:
        return next(slot for slot in self._slots if slot.holds(job))

    def _stop(self, slot: Slot, job: Job, outcome: RunOutcome) -> None:
        """Kill the slot's process for the sake of one job; the other job it holds goes on."""
        if slot.process is not None and job.running:
            job.peak_memory_bytes = slot.process.peak_memory()
        self._evacuate(slot, job)
        settle(job, outcome)
        self._fill_slots()

    def _evacuate(self, slot: Slot, ended: Job | None) -> None:
        """Kill the slot's process and put the jobs that it has not ended back in front."""
        process = slot.process
        if process is not None:
            self._nursery.discard(process)
        self._put_back([job for job in slot.vacate() if job is not ended])

    def _put_back(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.state = JobState.QUEUED
        self._queue.extendleft(reversed(jobs))

    def _lingered(self, slot: Slot, job: Job) -> None:
        del job
        self._put_back(slot.take_back())
        self._dispatch()
        if self._queue and self.on_blocked is not None:
            self.on_blocked()

    def _answered(self, process: SimulatorProcess, token: int, message: dict[str, Any]) -> None:
        slot = next((slot for slot in self._slots if slot.process is process), None)
        if slot is None:
            return
        retires = message.get("retires", False)
        if retires:
            self._put_back(slot.take_back())
        job = slot.finish(token)
        self.statistics.finished += 1
        job.peak_memory_bytes = message["peak"]
        settle(job, outcome_from_json(message["outcome"]))
        if retires:
            self.statistics.recycled += 1
            self._evacuate(slot, None)
            self._fill_slots()
        else:
            self._dispatch()

    def _died(self, process: SimulatorProcess, status: int, reason: str) -> None:
        slot = next((slot for slot in self._slots if slot.process is process), None)
        running = slot.current[1] if slot is not None and slot.current else None
        verdict = self._verdict(status, reason)
        if running is not None and isinstance(verdict, RunFailed):
            self.statistics.overruns += 1
        else:
            self.statistics.deaths += 1
        if slot is None:
            return
        self._evacuate(slot, running)
        if running is not None:
            settle(running, verdict)
        self._fill_slots()

    def _verdict(self, status: int, reason: str) -> RunFailed | SimulatorDied:
        limits = self.limits
        if status == -signal.SIGXCPU:
            return RunFailed(
                "too_much_cpu",
                f"The run was stopped after its limit of {limits.simulator_cpu_seconds} seconds of"
                " processor time. Ask for fewer shots or a smaller circuit.",
            )
        if status == -signal.SIGPROF:
            return RunFailed(
                "endless_loop",
                f"A loop that waits for an outcome had not ended in the first shot after"
                f" {limits.max_loop_seconds:g} seconds. Bound the number of its rounds.",
            )
        return SimulatorDied(f"The simulator process ended during the run: {reason}.")

    def _fill_slots(self) -> None:
        """Give each empty slot a process that is ready, as far as there are any."""
        for slot in self._slots:
            if slot.process is None and (process := self._nursery.take()) is not None:
                slot.process = process
        if not self._closed:
            self._dispatch()


def _attraction(slot: Slot) -> int:
    """The more places the better, and best of all where a job begins at once."""
    return slot.places + (PIPE_DEPTH if slot.idle else 0)
