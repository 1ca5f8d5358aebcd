"""Stand-ins for the worker's surroundings: a queue, simulators and a log that can go away."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from domain.errors import StoreUnavailable
from domain.execution import RunFailed, RunOutcome, RunRequest, RunSucceeded
from domain.identifiers import new_traceparent, uuid7
from domain.log import Append, AppendResult, History, LogCursor, StoredEvent
from domain.ports import ExpiredLease
from infrastructure.memory.store import MemoryStore
from infrastructure.quantum.job import Job, JobState
from infrastructure.rabbitmq.consumer import Delivery
from infrastructure.rabbitmq.message import Decoded, TaskMessage, Undecodable


class FakeQueue:
    """A broker's queue and its one consumer, with the credit rules of `Consumer`.

    Attributes:
        ready: messages that wait for demand.
        journal: what the consumer was told, in order.
    """

    def __init__(self) -> None:
        self.ready: deque[Decoded] = deque()
        self.journal: list[tuple[str, int]] = []
        self.unacknowledged: dict[int, Delivery] = {}
        self.dead: list[Decoded] = []
        self.connected = True
        self.generation = 1
        self.demand = 0
        self.closed = False
        self._credit = 0
        self._counted: set[int] = set()
        self._tags = 0
        self._deliver: Callable[[Delivery], None] = lambda _: None
        self._void: Callable[[int], None] = lambda _: None

    def publish(self, *task_ids: UUID) -> None:
        """Put a thin message for each task into the queue."""
        for task_id in task_ids:
            self.ready.append(TaskMessage(task_id, uuid7(), "correlation", new_traceparent()))
        self._pump()

    def publish_rubbish(self) -> None:
        """Put a message into the queue that no worker can read."""
        self.ready.append(Undecodable("not a task message: ValueError"))
        self._pump()

    def break_connection(self) -> None:
        """Lose the channel: all that is unacknowledged is in the queue again."""
        old = self.generation
        self.generation += 1
        for delivery in reversed(self.unacknowledged.values()):
            self.ready.appendleft(delivery.message)
        self.unacknowledged.clear()
        self._void(old)
        self._credit = self.demand
        self._counted.clear()
        self._pump()

    async def start(
        self, on_delivery: Callable[[Delivery], None], on_void: Callable[[int], None]
    ) -> None:
        self._deliver, self._void = on_delivery, on_void

    async def set_demand(self, count: int) -> None:
        await asyncio.sleep(0)
        self.journal.append(("demand", count))
        self.demand = self._credit = count
        self._counted.clear()
        self._pump()

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        self._settle("ack", deliveries)

    async def give_back(self, deliveries: Collection[Delivery]) -> None:
        for delivery in self._settle("give back", deliveries):
            self.ready.append(delivery.message)
        self._pump()

    async def reject(self, deliveries: Collection[Delivery]) -> None:
        self.dead += [delivery.message for delivery in self._settle("reject", deliveries)]

    async def close(self) -> None:
        self.closed = True

    def _settle(self, what: str, deliveries: Collection[Delivery]) -> list[Delivery]:
        known = [
            delivery
            for delivery in deliveries
            if delivery.generation == self.generation and delivery.tag in self.unacknowledged
        ]
        self.journal.append((what, len(known)))
        for delivery in known:
            del self.unacknowledged[delivery.tag]
            self._credit += delivery.tag in self._counted
            self._counted.discard(delivery.tag)
        self._pump()
        return known

    def _pump(self) -> None:
        while self.ready and self._credit > 0:
            self._credit -= 1
            self._tags += 1
            delivery = Delivery(self._tags, self.generation, self.ready.popleft())
            self.unacknowledged[self._tags] = delivery
            self._counted.add(self._tags)
            self._deliver(delivery)


class FakeSimulators:
    """A pool whose runs end when the test says so.

    Attributes:
        jobs: everything ever submitted, in order.
        automatic: an outcome that every run has as soon as it begins.
        loaded: whether they have been loaded.
    """

    def __init__(self, slots: int = 1) -> None:
        self.slots = slots
        self.jobs: list[Job] = []
        self.automatic: RunOutcome | None = None
        self.killed: list[Job] = []
        self.out_of_service = 0
        self.loaded = asyncio.Event()
        self.loaded.set()
        self.on_capacity: Callable[[], None] | None = None

    @property
    def running(self) -> list[Job]:
        """Jobs that have begun and are not over."""
        return [job for job in self.jobs if job.state is JobState.RUNNING]

    @property
    def queued(self) -> list[Job]:
        """Jobs that have not begun."""
        return [job for job in self.jobs if job.state is JobState.QUEUED]

    @property
    def busy(self) -> int:
        return len(self.running)

    @property
    def room(self) -> int:
        free = self.slots - self.out_of_service - self.busy
        return max(0, 2 * free - len(self.queued))

    async def start(self) -> None:
        await self.loaded.wait()

    async def close(self) -> None:
        for job in self.running + self.queued:
            job.cancel()

    def submit(self, request: RunRequest) -> Job:
        job = Job(request, 60.0, self._cancel)
        self.jobs.append(job)
        self._fill()
        return job

    def withdraw(self, job: Job) -> bool:
        if job.state is not JobState.QUEUED:
            return False
        job.state = JobState.WITHDRAWN
        job.started.cancel()
        job.outcome.cancel()
        return True

    def finish(self, job: Job, outcome: RunOutcome | Exception) -> None:
        """End a run."""
        job.state = JobState.DONE
        if isinstance(outcome, Exception):
            job.outcome.set_exception(outcome)
        else:
            job.outcome.set_result(outcome)
        self._fill()

    def _fill(self) -> None:
        while self.queued and self.busy < self.slots - self.out_of_service:
            job = self.queued[0]
            job.state = JobState.RUNNING
            job.started.set_result(None)
            if self.automatic is not None:
                asyncio.get_running_loop().call_soon(self.finish, job, self.automatic)
        if self.room and self.on_capacity is not None:
            self.on_capacity()

    def _cancel(self, job: Job) -> None:
        if job.outcome.done():
            return
        if job.state is JobState.RUNNING:
            self.killed.append(job)
        else:
            job.started.cancel()
        self.finish(job, RunFailed("cancelled", "The run was cancelled."))


class FakeNotices:
    """Notices of cancellations that the test gives."""

    def __init__(self) -> None:
        self._on_cancelled: Callable[[UUID], None] | None = None
        self._on_connected: Callable[[], None] | None = None
        self._connected = asyncio.Event()

    async def run(
        self, on_cancelled: Callable[[UUID], None], on_connected: Callable[[], None]
    ) -> None:
        self._on_cancelled, self._on_connected = on_cancelled, on_connected
        self._connected.set()
        await asyncio.Event().wait()

    async def tell(self, task_id: UUID) -> None:
        """Say that a task was cancelled."""
        await self._connected.wait()
        assert self._on_cancelled is not None
        self._on_cancelled(task_id)

    async def reconnect(self) -> None:
        """Say that notices may have been missed."""
        await self._connected.wait()
        assert self._on_connected is not None
        self._on_connected()


class FlakyLog:
    """An event log in memory whose database can be away.

    Attributes:
        away: raise `StoreUnavailable` on every call.
        asked: number of calls while away.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.away = False
        self.asked = 0
        self.batches: list[int] = []

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        self._check()
        await asyncio.sleep(0)
        self.batches.append(len(appends))
        return await self.store.append(appends)

    async def histories(self, task_ids: Collection[UUID]) -> dict[UUID, History]:
        self._check()
        await asyncio.sleep(0)
        return await self.store.histories(task_ids)

    async def renew(self, worker_id: str, task_ids: Collection[UUID], seconds: float) -> set[UUID]:
        self._check()
        return await self.store.renew(worker_id, task_ids, seconds)

    async def expired(self, limit: int) -> list[ExpiredLease]:
        self._check()
        return await self.store.expired(limit)

    async def stream(self, task_id: UUID, tenant: str | None = None) -> list[StoredEvent]:
        self._check()
        return await self.store.stream(task_id, tenant)

    async def read(self, after: LogCursor, limit: int) -> list[StoredEvent]:
        self._check()
        return await self.store.read(after, limit)

    def _check(self) -> None:
        if self.away:
            self.asked += 1
            raise StoreUnavailable("the test has taken the database away")


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Return once a condition holds; fails when it does not in time."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.001)


def event_types(store: MemoryStore, task_id: UUID) -> list[str]:
    """Return the types of a task's events, oldest first."""
    return [stored.type for stored in store.streams[task_id]]


def succeeded(shots: int = 16) -> RunSucceeded:
    """Return an outcome as the engine would give it."""
    return RunSucceeded({"0": shots}, None, {"seed": 1, "method": "stabilizer"})
