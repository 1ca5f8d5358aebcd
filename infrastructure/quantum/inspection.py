"""Looking at circuits in a process of its own. The parent side: imports no Qiskit."""

import asyncio
import signal
from dataclasses import replace
from typing import Any

from domain.errors import InspectionTooLong, InspectorAway
from domain.inspection import Inspection, InspectionAnswer
from domain.run_json import answer_from_json, inspection_to_json
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.process import SimulatorProcess
from infrastructure.supervision import end

PROGRAM = "infrastructure.quantum.inspection_child"
IDLE_SECONDS = 300.0
_GONE_SECONDS = 0.5
_STOPPED_BY_LIMITS = frozenset({-signal.SIGXCPU, -signal.SIGPROF})


class InspectionProcess:
    """`domain.inspection.CircuitInspector` in a child that has the limits of a simulator.

    The child is started for the first question and ended after some minutes without one, so that
    a worker that is asked nothing has no process more. It looks at one circuit at a time and gives
    way to simulators. Where one takes too long it is killed, and the next question has another.

    Args:
        limits: of a run, which a check tells about.
        seconds: longest time for one circuit, the start of a child included.
        idle_seconds: so long the child stays when nothing is asked.
        program: Python module that is the child.

    Attributes:
        started: children started so far.
    """

    def __init__(
        self,
        limits: EngineLimits,
        *,
        seconds: float,
        idle_seconds: float = IDLE_SECONDS,
        program: str = PROGRAM,
    ) -> None:
        self._limits = replace(limits, simulator_cpu_seconds=int(seconds) + 1)
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._program = program
        self._one_at_a_time = asyncio.Lock()
        self._child: _Child | None = None
        self._idle: asyncio.TimerHandle | None = None
        self.started = 0

    async def inspect(self, inspection: Inspection) -> InspectionAnswer:
        """See `domain.inspection.CircuitInspector.inspect`."""
        async with self._one_at_a_time:
            child = self._take_child()
            message: dict[str, Any] = {"retires": True}
            try:
                async with asyncio.timeout(self._seconds):
                    message = await child.ask(inspection)
            except TimeoutError:
                raise self._took_too_long() from None
            except _ChildEnded as ended:
                if ended.status in _STOPPED_BY_LIMITS:
                    raise self._took_too_long() from None
                raise InspectorAway(f"the process that looked at it ended: {ended}") from None
            finally:
                if message.get("retires", False):
                    child.kill()
                else:
                    self._keep_child(child)
        return answer_from_json(message["outcome"])

    async def close(self) -> None:
        """Kill the child, if there is one, and wait for a short time until it is gone."""
        if self._idle is not None:
            self._idle.cancel()
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    def _take_child(self) -> "_Child":
        if self._idle is not None:
            self._idle.cancel()
        child, self._child = self._child, None
        if child is None or child.ended:
            self.started += 1
            child = _Child(self._limits, self._program)
        return child

    def _keep_child(self, child: "_Child") -> None:
        self._child = child
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._idle_seconds, self._dismiss)

    def _dismiss(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _took_too_long(self) -> InspectionTooLong:
        return InspectionTooLong(
            f"reading and compiling it was stopped after {self._seconds:g} seconds"
        )


class _ChildEnded(Exception):
    """The child ended before it had answered.

    Attributes:
        status: its exit status, negative for a signal.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Child:
    """One process and the question that it has."""

    def __init__(self, limits: EngineLimits, program: str) -> None:
        loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[_ChildEnded] = loop.create_future()
        self._tokens = 0
        self._process = SimulatorProcess(
            limits,
            program,
            on_ready=lambda _: self._ready.set_result(None),
            on_answer=self._answered,
            on_exit=self._exited,
        )
        self._connecting = loop.create_task(self._process.connect())

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._gone.done()

    async def ask(self, inspection: Inspection) -> dict[str, Any]:
        """Return what the child answers, once it has started; raises `_ChildEnded`."""
        self._tokens += 1
        self._answer = asyncio.get_running_loop().create_future()
        await self._or_end(self._ready)
        self._process.send(self._tokens, inspection_to_json(inspection))
        await self._or_end(self._answer)
        return self._answer.result()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    async def end(self) -> None:
        """End it at once and wait until it is gone."""
        self.kill()
        await asyncio.wait([self._gone], timeout=_GONE_SECONDS)
        await end(self._connecting)

    async def _or_end(self, awaited: "asyncio.Future[Any]") -> None:
        await asyncio.wait([awaited, self._gone], return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done():
            raise self._gone.result()

    def _answered(self, _process: SimulatorProcess, token: int, message: dict[str, Any]) -> None:
        if token == self._tokens and not self._answer.done():
            self._answer.set_result(message)

    def _exited(self, _process: SimulatorProcess, status: int, reason: str) -> None:
        if not self._gone.done():
            self._gone.set_result(_ChildEnded(status, reason))
