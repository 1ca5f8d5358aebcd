"""The relay's work in a few lines, for tests of the worker: outbox to broker, and the reaper."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from domain.errors import BrokerUnavailable, StoreError
from domain.events import RequeueReason
from domain.execution import RunOptions
from domain.identifiers import new_traceparent, uuid7
from domain.log import Append
from domain.ports import OutboxRow, TaskView
from domain.status import Status
from domain.task import GiveUp, fold
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.task_queries import PostgresTaskQueries
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import Topology
from infrastructure.supervision import supervised
from tests.support import tasks

WINDOW = 1_000


def _long_circuit() -> str:
    layers = (
        f"rx(0.{i + 1}) q[{i % 8}]; cx q[{i % 8}], q[{(i + 1) % 8}];"
        f" c[{i % 8}] = measure q[{i % 8}];"
        for i in range(40)
    )
    return "OPENQASM 3; qubit[8] q; bit[8] c; " + " ".join(layers)


LONG = _long_circuit()
"""A circuit that has to be run shot by shot: some 0.2 ms a shot."""
POLL_SECONDS = 0.005


class Dispatcher:
    """Submits tasks, sends their messages, requeues those whose lease ran out.

    Attributes:
        reaping: requeue; off, it behaves as the reaper does right after an outage.
    """

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self.log = PostgresEventLog(database)
        self._leases = PostgresLeases(database)
        self._outbox = PostgresOutbox(database)
        self._queries = PostgresTaskQueries(database)
        self._publisher = publisher
        self.reaping = True

    async def submit(
        self, circuit: str, shots: int = 64, seed: int | None = None, memory: bool = False
    ) -> UUID:
        """Put a task into the log."""
        options = RunOptions(shots=shots, seed=seed, memory=memory)
        return (await tasks.put(self.log, tasks.submission(circuit, options))).task_id

    async def submit_many(self, count: int, circuit: str, shots: int = 64) -> list[UUID]:
        """Put many tasks into the log."""
        ids: list[UUID] = []
        options = RunOptions(shots=shots)
        while len(ids) < count:
            batch = [tasks.submission(circuit, options) for _ in range(min(200, count - len(ids)))]
            await self.log.append(batch)
            ids += [append.task_id for append in batch]
        return ids

    async def view(self, task_id: UUID) -> TaskView:
        """Return a task's status."""
        view = await self._queries.view(task_id)
        assert view is not None
        return view

    async def when(
        self, task_id: UUID, condition: Callable[[TaskView], bool], within: float = 30.0
    ) -> TaskView:
        """Return a task's status once it fulfils a condition."""
        view = None
        try:
            async with asyncio.timeout(within):
                while True:
                    with contextlib.suppress(StoreError):
                        view = await self.view(task_id)
                        if condition(view):
                            return view
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"not within {within} s: {view}") from None

    async def ended(self, task_id: UUID, within: float = 30.0) -> TaskView:
        """Return a task's status once it is terminal."""
        return await self.when(task_id, lambda view: view.status.terminal, within)

    async def runs(self, task_id: UUID, within: float = 30.0) -> TaskView:
        """Return a task's status once a worker has claimed it."""
        return await self.when(task_id, lambda view: view.status is Status.PROCESSING, within)

    async def event_types(self, task_id: UUID) -> list[str]:
        """Return the types of a task's events, oldest first."""
        return [stored.type for stored in await self.log.stream(task_id)]

    async def send(self, task_id: UUID) -> None:
        """Send a message for a task, whatever its state."""
        row = OutboxRow(0, task_id, uuid7(), "a-correlation-id", new_traceparent())
        assert await self._publisher.publish([row]) == [0]

    async def run(self) -> None:
        """Dispatch and reap, for ever."""
        while True:
            with contextlib.suppress(StoreError, BrokerUnavailable):
                rows = await self._outbox.choose(WINDOW)
                if rows:
                    sent = set(await self._publisher.publish(rows))
                    await self._outbox.record_dispatched([r for r in rows if r.row_id in sent])
                if self.reaping:
                    await self._reap()
            await asyncio.sleep(POLL_SECONDS)

    async def _reap(self) -> None:
        for lease in await self._leases.expired(100):
            history = (await self.log.histories([lease.task_id]))[lease.task_id]
            task = fold(history.events)
            assert task is not None
            command = GiveUp(lease.attempt, RequeueReason.WORKER_LOST, "its lease ran out")
            appends: list[Append] = [tasks.following(task, command)]
            await self.log.append(appends)


@contextlib.asynccontextmanager
async def dispatching(database_url: str, rabbitmq_url: str) -> AsyncIterator[Dispatcher]:
    """A dispatcher at work."""
    database = Database(database_url, size=6, application_name="test dispatcher")
    publisher = Publisher(rabbitmq_url, "test dispatcher", Topology())
    dispatcher = Dispatcher(database, publisher)
    await publisher.open()
    running = asyncio.create_task(supervised("dispatcher", dispatcher.run))
    try:
        yield dispatcher
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await publisher.close()
        await database.close()
