"""A database server with the store of `infrastructure.memory` in it, at the end of a network.

A statement takes time to get there and its answer takes time to come back; it runs in one moment
between the two. So a process may die, or its connection break, with the statement not arrived,
stored without an answer, or still on its way to be stored after all.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from domain.errors import KetlogError, OutcomeUnknown, StoreUnavailable
from domain.log import Append, AppendResult, History, LogCursor, StoredEvent
from domain.ports import Dispatched, ExpiredLease, OutboxRow, Released
from infrastructure.memory.store import MemoryStore
from tests.model.loop import Process, current

LATENCIES = (0.0, 0.0005, 0.002, 0.02)
STATEMENT_SECONDS = 5.0
"""After so long a client gives a statement up; the server may still run it."""
IDLE_SESSION_SECONDS = 3.0

T = TypeVar("T")


@dataclass(eq=False)
class _Statement:
    """A statement on its way."""

    run: Callable[[], Coroutine[Any, Any, Any]]
    writes: bool
    client: Process
    answer: asyncio.Future[Any]
    void: bool = False

    def fail(self, error: KetlogError) -> None:
        if self.client.alive and not self.answer.done():
            self.client.call(_settle, self.answer, None, error)


class DatabaseServer:
    """The server.

    Attributes:
        away: refuses connections.
        cut_off: processes that cannot reach it.
    """

    def __init__(self, process: Process, store: MemoryStore, chance: random.Random) -> None:
        self.store = store
        self.away = False
        self.cut_off: set[Process] = set()
        self.leader: LockSession | None = None
        self._process = process
        self._chance = chance
        self._stuck: list[_Statement] | None = None
        self._statements: list[_Statement] = []

    def latency(self) -> float:
        """Return how long something takes through the network."""
        return self._chance.choice(LATENCIES)

    async def ask(self, run: Callable[[], Coroutine[Any, Any, T]], *, writes: bool = False) -> T:
        """Have a statement run; raises as `domain.ports` says."""
        await self.reach()
        loop = asyncio.get_running_loop()
        statement = _Statement(run, writes, current(), loop.create_future())
        self._statements.append(statement)
        loop.call_later(
            self.latency(), self._arrived, statement, context=self._process.context.copy()
        )
        timer = loop.call_later(STATEMENT_SECONDS, self._give_up, statement)
        try:
            answer: T = await statement.answer
        finally:
            timer.cancel()
            self._statements.remove(statement)
        return answer

    async def reach(self) -> None:
        """Take the time that a connection needs; raises `StoreUnavailable`."""
        await asyncio.sleep(self.latency())
        if self.away or current() in self.cut_off:
            raise StoreUnavailable("the database is away")

    def stop(self) -> None:
        """Go away; every connection breaks."""
        self.away = True
        self.cut(None)

    def cut(self, process: Process | None) -> None:
        """Break the connections of a process, or all: what was sent may still be run."""
        for statement in list(self._statements):
            if process is None or statement.client is process:
                statement.void = self.away or self._chance.random() < 0.5
                statement.fail(_broken(statement.writes))
        if self.leader is not None and process in {None, self.leader.process}:
            self.leader.lose()

    def hang(self) -> None:
        """Take statements and run none."""
        self._stuck = self._stuck if self._stuck is not None else []

    def go_on(self) -> None:
        """Be there again, and run what is left to be run."""
        self.away = False
        self.cut_off.clear()
        stuck, self._stuck = self._stuck or [], None
        for statement in stuck:
            self._arrived(statement)

    def _arrived(self, statement: _Statement) -> None:
        if statement.void:
            return
        if self._stuck is not None:
            self._stuck.append(statement)
            return
        result: object = None
        error: BaseException | None = None
        try:
            statement.run().send(None)
        except StopIteration as done:
            result = done.value
        except Exception as raised:  # noqa: BLE001 - it is the client's to handle
            error = raised
        if statement.client.alive:
            asyncio.get_running_loop().call_later(
                self.latency(),
                _settle,
                statement.answer,
                result,
                error,
                context=statement.client.context.copy(),
            )

    def _give_up(self, statement: _Statement) -> None:
        _settle(statement.answer, None, _broken(statement.writes))


def _broken(writes: bool) -> KetlogError:
    if writes:
        return OutcomeUnknown("the connection broke before the answer came")
    return StoreUnavailable("the connection broke")


def _settle(answer: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)


@dataclass(eq=False)
class DatabaseClient:
    """The ports of the store, seen from a process."""

    server: DatabaseServer

    @property
    def _store(self) -> MemoryStore:
        return self.server.store

    async def ping(self) -> None:
        await self.server.reach()

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        return await self.server.ask(lambda: self._store.append(appends), writes=True)

    async def histories(self, task_ids: Collection[UUID]) -> dict[UUID, History]:
        return await self.server.ask(lambda: self._store.histories(task_ids))

    async def stream(self, task_id: UUID, tenant: str | None = None) -> list[StoredEvent]:
        return await self.server.ask(lambda: self._store.stream(task_id, tenant))

    async def read(self, after: LogCursor, limit: int) -> list[StoredEvent]:
        return await self.server.ask(lambda: self._store.read(after, limit))

    async def choose(self, window: int) -> list[OutboxRow]:
        return await self.server.ask(lambda: self._store.choose(window))

    async def record_dispatched(self, rows: Sequence[OutboxRow]) -> int:
        return await self.server.ask(lambda: self._store.record_dispatched(rows))

    async def release(self) -> Released:
        return await self.server.ask(self._store.release)

    async def dispatched(self) -> Dispatched:
        return await self.server.ask(self._store.dispatched)

    async def forget(self, numbers: Sequence[int] | None) -> int:
        return await self.server.ask(lambda: self._store.forget(numbers))

    async def renew(self, worker_id: str, task_ids: Collection[UUID], seconds: float) -> set[UUID]:
        return await self.server.ask(lambda: self._store.renew(worker_id, task_ids, seconds))

    async def expired(self, limit: int) -> list[ExpiredLease]:
        return await self.server.ask(lambda: self._store.expired(limit))


@dataclass(eq=False)
class LockSession:
    """A relay's session for `infrastructure.postgres.leadership`: it may hold the leader's lock."""

    server: DatabaseServer
    process: Process
    lost: bool = False
    _idle: asyncio.TimerHandle | None = field(default=None, repr=False)

    async def ask(self, query: str, *_values: object) -> bool:
        """Answer the two questions that leadership asks."""
        return await self.server.ask(lambda: self._answer(query))

    def lose(self) -> None:
        """The server has ended the session."""
        self.lost = True
        if self._idle is not None:
            self._idle.cancel()
        if self.server.leader is self:
            self.server.leader = None

    async def _answer(self, query: str) -> bool:
        if self.lost:
            raise StoreUnavailable("the session was ended")
        if self._idle is not None:
            self._idle.cancel()
        # The server's own timer: it runs in the server's process.
        self._idle = asyncio.get_running_loop().call_later(IDLE_SESSION_SECONDS, self.lose)
        if "advisory_lock" not in query:
            return True
        if self.server.leader is None:
            self.server.leader = self
        return self.server.leader is self


@contextlib.asynccontextmanager
async def lock_session(server: DatabaseServer) -> AsyncIterator[LockSession]:
    """Stand in for `infrastructure.postgres.session.session`."""
    await server.reach()
    made = LockSession(server, current())
    try:
        yield made
    finally:
        made.lose()
