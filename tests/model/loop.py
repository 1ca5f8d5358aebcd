"""An event loop without real time, in which several processes live and one may be killed.

Every callback belongs to a process, told by its context. Within a process callbacks run in the
order in which they became due, as in any event loop; which process makes the next step is chosen
by chance. When nobody has anything to do, time jumps to the next timer.

A killed process makes no further step: nothing of it is cleaned up, as after SIGKILL. A frozen one
makes none until it is thawed, as between SIGSTOP and SIGCONT; what became due meanwhile waits.
"""

import asyncio
import contextvars
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

MOST_STEPS = 2_000_000
"""So many steps in one schedule are a loop that never rests."""
MOST_FINALLYS = 10


T = TypeVar("T")


class Process:
    """What runs in one operating system process.

    Attributes:
        clock_offset: seconds by which its wall clock is wrong.
        steps: callbacks that it has run.
    """

    def __init__(self, name: str, clock_offset: float = 0.0) -> None:
        self.name = name
        self.clock_offset = clock_offset
        self.alive = True
        self.frozen = False
        self.steps = 0
        self._appointment: tuple[int, Callable[[], object]] | None = None
        self.on_death: Callable[[], None] = lambda: None
        self.ready: deque[asyncio.Handle] = deque()
        self.context = contextvars.copy_context()
        self.context.run(_process.set, self)

    def kill(self) -> None:
        """End it between two steps."""
        if self.alive:
            self.alive = False
            self.ready.clear()
            self.on_death()

    def freeze(self) -> None:
        """Stop it between two steps."""
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        self.frozen = False

    def at(self, step: int, action: Callable[[], object]) -> None:
        """Do something to it right before that step."""
        self._appointment = (step, action)

    def keep_appointment(self) -> bool:
        """Do what is due before the next step; tells whether that was something."""
        if self._appointment is None or self._appointment[0] > self.steps:
            return False
        (_, action), self._appointment = self._appointment, None
        action()
        return True

    def call(self, callback: Callable[..., object], *args: object) -> None:
        """Have it run something as its next step."""
        asyncio.get_running_loop().call_soon(callback, *args, context=self.context)


_process: contextvars.ContextVar[Process] = contextvars.ContextVar("process")


def current() -> Process:
    """Return the process whose step this is."""
    return _process.get()


async def remotely(process: Process, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what another process makes of a request; waits for ever if that one dies."""
    caller, answer = current(), asyncio.get_running_loop().create_future()

    def reply(result: T) -> None:
        if not answer.done():
            answer.set_result(result)

    async def serve() -> None:
        caller.call(reply, await work())

    process.call(lambda: asyncio.create_task(serve()))
    result: T = await answer
    return result


def _close(coroutine: Any) -> None:
    for _ in range(MOST_FINALLYS):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # It awaits in a `finally`, for which nobody waits any more.
        return


class VirtualLoop(asyncio.AbstractEventLoop):
    """The part of an event loop that code without sockets and threads needs.

    Attributes:
        errors: what callbacks have raised.
    """

    def __init__(self, chance: random.Random) -> None:
        self.errors: list[str] = []
        self._chance = chance
        self._now = 0.0
        self._steps = 0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Process]] = []
        self._processes: list[Process] = []
        self._tasks: list[asyncio.Task[Any]] = []

    def add(self, process: Process) -> None:
        """Let a process take part."""
        self._processes.append(process)

    def run(self, until: Callable[[], bool], within: float) -> bool:
        """Run until a condition holds, or for so many virtual seconds; tells whether it holds."""
        deadline = self._now + within
        asyncio.events._set_running_loop(self)
        try:
            while not until():
                if self._step():
                    continue
                if not self._timers or self._timers[0][0] > deadline:
                    self._now = deadline
                    return False
                self._now = max(self._now, self._timers[0][0])
                self._ring()
            return True
        finally:
            asyncio.events._set_running_loop(None)

    def bury(self) -> None:
        """Drop everything that still runs, without a word of complaint."""
        self._processes.clear()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            if not task.done():
                _close(task.get_coro())

    def _step(self) -> bool:
        able = [process for process in self._processes if process.ready and not process.frozen]
        if not able:
            return False
        process = able[0] if len(able) == 1 else self._chance.choice(able)
        if process.keep_appointment():
            return True
        handle = process.ready.popleft()
        process.steps += 1
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise AssertionError(f"no rest after {self._steps} steps, at {self._now:.3f} s")
        if not handle.cancelled():
            handle._run()
        return True

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= self._now:
            _, _, handle, process = heapq.heappop(self._timers)
            if process.alive and not handle.cancelled():
                process.ready.append(handle)

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self._now

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, context)
        process = context[_process]
        if process.alive:
            process.ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle, context[_process]))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if "handle" in context:
            self.errors.append(f"{context['message']}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when they are due."""


def new_loop(chance: random.Random) -> VirtualLoop:
    """Return a loop in which chance decides who makes the next step."""
    # What is missing is for sockets, threads and signals.
    return VirtualLoop(chance)  # type: ignore[abstract]
