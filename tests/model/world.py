"""A whole ketlog in one event loop: clients, APIs, relays, workers, a database and a broker."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest import mock
from uuid import UUID

import structlog

from infrastructure.postgres import leadership
from tests.model.broker import BrokerServer
from tests.model.database import DatabaseServer, LockSession, lock_session
from tests.model.loop import Process, current, new_loop
from tests.model.programs import (
    RUN_SECONDS,
    ApiProgram,
    RelayProgram,
    Simulators,
    WorkerProgram,
    submit,
)
from tests.model.store import WatchedStore

EPOCH = 1_800_000_000
SETTLED_WITHIN = 180.0
"""Virtual seconds after the last fault in which every task has to have ended."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a process has logged."""

    at: float
    process: str
    level: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.process:<9} {self.text}"


class World:
    """Everything there is.

    Attributes:
        store: what the database holds.
        journal: what all processes have logged and what was done to them, in order.
        accepted: the tasks of which a client was told that they are accepted.
    """

    def __init__(
        self, seed: int = 0, *, run_seconds: tuple[float, ...] = RUN_SECONDS, workers: int = 2
    ) -> None:
        self.chance = random.Random(seed)
        self.loop = new_loop(self.chance)
        self.journal: list[Line] = []
        self.accepted: set[UUID] = set()
        self.submitting = 0
        self._over = False
        self.clock_offsets: dict[str, float] = {}
        self.store = WatchedStore(clock=self.now)
        self.database = DatabaseServer(self._process("database"), self.store, self.chance)
        self.broker = BrokerServer(self._process("broker"), self.chance)
        self.clients = self._process("clients")
        self.processes: dict[str, Process] = {}
        self.programs: dict[str, ApiProgram | RelayProgram | WorkerProgram] = {}
        self._run_seconds = run_seconds
        self.names = ["api-1", "api-2", "relay-1", "relay-2"]
        self.names += [f"worker-{number + 1}" for number in range(workers)]

    def now(self) -> datetime:
        """Return the time by the database's clock."""
        return datetime.fromtimestamp(EPOCH, UTC) + timedelta(seconds=self.loop.time())

    @contextlib.contextmanager
    def running(self) -> Iterator["World"]:
        """All processes at work, with virtual time and chance in place of the real ones."""
        with contextlib.ExitStack() as stack:
            for owner, name, instead in (
                (time, "monotonic", self.loop.time),
                (time, "time", self._wall_clock),
                (time, "time_ns", self._wall_clock_ns),
                (os, "urandom", self.chance.randbytes),
                (random, "uniform", self.chance.uniform),
                (leadership, "session", self._lock_session),
            ):
                stack.enter_context(mock.patch.object(owner, name, instead))
            stack.enter_context(self._listening())
            for name in self.names:
                self.do(partial(self.start, name))
            yield self
            self._over = True
            self.loop.bury()

    def start(self, name: str) -> None:
        """Start a process that does not run."""
        if name in self.processes and self.processes[name].alive:
            return
        self.processes[name] = process = self._process(name)
        process.on_death = lambda: self._died(process)
        process.call(self._begin, name)

    def submit(self, count: int) -> None:
        """Have a client submit tasks, each until it is accepted."""
        self.submitting += count
        for _ in range(count):
            self.clients.call(lambda: asyncio.create_task(self._submit_one()))

    def do(self, action: Callable[[], None]) -> None:
        """Do something to the world, between two steps."""
        asyncio.events._set_running_loop(self.loop)
        try:
            self.clients.context.run(action)
        finally:
            asyncio.events._set_running_loop(None)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something to the world after a while; called within `do`."""
        self.loop.call_later(seconds, action, context=self.clients.context)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass; tells whether the condition came true."""
        return self.loop.run(until, seconds)

    def settle(self) -> bool:
        """Let everything be well again and wait for every task to end; tells whether all did."""
        self.do(self.mend)
        return self.loop.run(lambda: self.submitting == 0 and self.store.at_rest, SETTLED_WITHIN)

    def drain(self, name: str, grace_seconds: float) -> None:
        """Have a worker stop in an orderly way; a step of its process."""
        process, program = self.processes[name], self.programs[name]
        assert isinstance(program, WorkerProgram)
        draining = asyncio.create_task(program.drain(grace_seconds))
        draining.add_done_callback(lambda _: self.clients.call(process.kill))

    def mend(self) -> None:
        """End every fault."""
        self.database.go_on()
        self.broker.start()
        for name in self.names:
            self.processes[name].thaw()
            self.start(name)

    def note(self, level: str, text: str, process: str = "—") -> None:
        """Write into the journal."""
        if not self._over:
            self.journal.append(Line(self.loop.time(), process, level, text))

    def _begin(self, name: str) -> None:
        program: ApiProgram | RelayProgram | WorkerProgram
        if name.startswith("api"):
            program = ApiProgram(self.database)
        elif name.startswith("relay"):
            program = RelayProgram(self.database, self.broker)
        else:
            simulators = Simulators(self.chance, self._run_seconds)
            program = WorkerProgram(name, self.database, self.broker, simulators)
        self.programs[name] = program
        task = asyncio.get_running_loop().create_task(program.run())
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.loop.errors.append(f"{current().name} ended: {error!r}")

    def _died(self, process: Process) -> None:
        self.note("fault", f"is dead after step {process.steps}", process.name)
        self.database.cut(process)
        self.broker.cut(process)

    async def _submit_one(self) -> None:
        self.accepted.add(await submit(self._any_api, self.now))
        self.submitting -= 1

    def _any_api(self) -> tuple[Process, ApiProgram] | None:
        name = self.chance.choice(["api-1", "api-2"])
        process, program = self.processes[name], self.programs.get(name)
        return (process, program) if isinstance(program, ApiProgram) and process.alive else None

    def _process(self, name: str) -> Process:
        process = Process(name, self.clock_offsets.get(name, 0.0))
        self.loop.add(process)
        return process

    def _wall_clock(self) -> float:
        return EPOCH + self.loop.time() + _offset()

    def _wall_clock_ns(self) -> int:
        return int(self._wall_clock() * 1e9)

    def _lock_session(self, *_: object, **__: object) -> AbstractAsyncContextManager[LockSession]:
        return lock_session(self.database)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Take what is logged into the journal."""

        def take(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
            text = str(event.pop("event"))
            details = " ".join(f"{key}={value}" for key, value in event.items())
            self.note(method, f"{text} {details}".strip(), _name())
            raise structlog.DropEvent

        before = structlog.get_config()
        structlog.configure(
            processors=[structlog.processors.format_exc_info, take], wrapper_class=None
        )
        try:
            yield
        finally:
            structlog.configure(**before)


def _offset() -> float:
    try:
        return current().clock_offset
    except LookupError:
        return 0.0


def _name() -> str:
    try:
        return current().name
    except LookupError:
        return "—"
