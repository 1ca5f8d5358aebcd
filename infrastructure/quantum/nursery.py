"""Where simulator processes are started, kept warm and counted until they are gone."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from infrastructure.quantum.job import SimulatorDied
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.process import SimulatorProcess

logger = logging.getLogger(__name__)

_FAILED_STARTS_AT_FIRST = 3
_FIRST_BACKOFF_SECONDS = 0.2
_LAST_BACKOFF_SECONDS = 10.0
_CLOSE_SECONDS = 0.4


class Nursery:
    """Keeps `slots + spares` processes alive, the ones handed out included.

    Attributes:
        started: processes started so far.
        problem: why the latest start failed; None after one that did not.
    """

    def __init__(
        self,
        limits: EngineLimits,
        slots: int,
        spares: int,
        program: str,
        *,
        on_spare: Callable[[], None],
        on_answer: Callable[[SimulatorProcess, int, dict[str, Any]], None],
        on_death: Callable[[SimulatorProcess, int, str], None],
    ) -> None:
        self.started = 0
        self.problem: str | None = None
        self._limits = limits
        self._slots = slots
        self._wanted = slots
        self._spares = spares
        self._program = program
        self._on_spare = on_spare
        self._on_answer = on_answer
        self._on_death = on_death
        self._ready: deque[SimulatorProcess] = deque()
        self._starting: set[SimulatorProcess] = set()
        self._handed_out: set[SimulatorProcess] = set()
        self._alive: set[SimulatorProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._first_ready: asyncio.Future[None] | None = None
        self._closed = False
        self._all_gone = asyncio.Event()

    @property
    def ready(self) -> int:
        """Processes that could be handed out at once."""
        return len(self._ready)

    async def start(self) -> None:
        """Start the processes; returns when the slots can be filled, spares or not.

        Raises:
            SimulatorDied: several starts failed one after the other.
        """
        self._first_ready = asyncio.get_running_loop().create_future()
        self._refill()
        await self._first_ready
        self._wanted = self._slots + self._spares
        self._refill()

    async def close(self) -> None:
        """Kill all processes and wait, for a short time, until they are gone."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        for process in self._alive:
            process.kill()
        if self._alive:
            try:
                await asyncio.wait_for(self._all_gone.wait(), _CLOSE_SECONDS)
            except TimeoutError:
                logger.warning("Killed simulators have not ended yet: %d", len(self._alive))

    def take(self) -> SimulatorProcess | None:
        """Hand a process out that is ready to run; another one is started in its place."""
        if not self._ready or self._closed:
            return None
        process = self._ready.popleft()
        self._handed_out.add(process)
        self._refill_soon()
        return process

    def discard(self, process: SimulatorProcess) -> None:
        """Kill a process that was handed out, without an `on_death`, and replace it."""
        self._handed_out.discard(process)
        process.kill()
        self._refill_soon()

    def _refill_soon(self) -> None:
        """Start processes after what is urgent now: starting one takes a millisecond or two."""
        asyncio.get_running_loop().call_soon(self._refill)

    def _refill(self) -> None:
        if self._retry is not None:
            return
        while not self._closed and self._missing() > 0:
            self._spawn()

    def _missing(self) -> int:
        return self._wanted - len(self._ready) - len(self._starting) - len(self._handed_out)

    def _spawn(self) -> None:
        process = SimulatorProcess(
            self._limits,
            self._program,
            on_ready=self._became_ready,
            on_answer=self._on_answer,
            on_exit=self._exited,
        )
        self.started += 1
        self._starting.add(process)
        self._alive.add(process)
        task = asyncio.get_running_loop().create_task(process.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _became_ready(self, process: SimulatorProcess) -> None:
        self._starting.discard(process)
        self._ready.append(process)
        self._failures = 0
        self.problem = None
        self._on_spare()
        first = self._first_ready
        if first is not None and not first.done() and len(self._handed_out) == self._slots:
            first.set_result(None)

    def _exited(self, process: SimulatorProcess, status: int, reason: str) -> None:
        self._alive.discard(process)
        if self._closed:
            if not self._alive:
                self._all_gone.set()
            return
        if process in self._starting:
            self._starting.discard(process)
            self._start_failed(reason)
        elif process in self._ready:
            self._ready.remove(process)
            logger.warning("A spare simulator ended: %s", reason)
        elif process in self._handed_out:
            self._handed_out.discard(process)
            logger.warning("A simulator ended during its work: %s", reason)
            self._on_death(process, status, reason)
        self._refill()

    def _start_failed(self, reason: str) -> None:
        self._failures += 1
        self.problem = f"A simulator could not start: {reason}."
        delay = min(_FIRST_BACKOFF_SECONDS * 2 ** (self._failures - 1), _LAST_BACKOFF_SECONDS)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
        logger.error("%s Next attempt in %.1f s.", self.problem, delay)
        first = self._first_ready
        if first is not None and not first.done() and self._failures >= _FAILED_STARTS_AT_FIRST:
            first.set_exception(SimulatorDied(self.problem))
        elif self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(delay, self._retry_start)

    def _retry_start(self) -> None:
        self._retry = None
        self._refill()
