"""A worker among stand-ins."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from domain.task import Task
from infrastructure.memory.store import MemoryStore
from infrastructure.settings import WorkerSettings
from service.worker.drain import Budget
from service.worker.worker import Adapters, Worker
from tests.support import tasks
from tests.support.worker_fakes import (
    FakeNotices,
    FakeQueue,
    FakeSimulators,
    FlakyLog,
    event_types,
    succeeded,
    until,
)

GRACE_SECONDS = 2.0


@dataclass
class Scene:
    """A running worker and everything around it."""

    store: MemoryStore
    log: FlakyLog
    queue: FakeQueue
    simulators: FakeSimulators
    worker: Worker
    relay_woken: asyncio.Event
    notices: FakeNotices

    async def submit(self, circuit: str = tasks.QUICKSTART) -> Task:
        """Put a task into the log and its message into the queue."""
        task = await tasks.submitted(self.store, circuit)
        self.queue.publish(task.task_id)
        return task

    async def running(self, circuit: str = tasks.QUICKSTART) -> Task:
        """Submit a task and wait until it runs."""
        before = len(self.simulators.running)
        task = await self.submit(circuit)
        await until(lambda: len(self.simulators.running) > before)
        return await self.load(task)

    async def load(self, task: Task) -> Task:
        """Return a task as the log has it now."""
        return await tasks.load(self.store, task.task_id)

    def events(self, task: Task) -> list[str]:
        """Return the types of a task's events."""
        return event_types(self.store, task.task_id)

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Drain the worker."""
        await self.worker.stop(Budget.of(grace, asyncio.get_running_loop().time()))

    async def end(self) -> None:
        """Stop without waiting for what runs."""
        self.log.away = False
        await self.simulators.close()
        await self.stop()


async def start_scene(slots: int = 1, **settings: float | str) -> Scene:
    scene = make_scene(slots, **settings)
    await scene.worker.start()
    return scene


def make_scene(slots: int = 1, **settings: float | str) -> Scene:
    store = MemoryStore()
    log = FlakyLog(store)
    queue, simulators = FakeQueue(), FakeSimulators(slots)
    wakes, notices = asyncio.Event(), FakeNotices()

    async def ping() -> None:
        await log.histories([])

    worker = Worker(
        WorkerSettings.model_validate({"worker_id": "w1", **settings}),
        Adapters(log, log, ping, wakes.set, queue, simulators, cancel_notices=notices),
    )
    simulators.on_capacity = worker.wake
    return Scene(store, log, queue, simulators, worker, wakes, notices)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A worker with one slot."""
    scene = await start_scene()
    yield scene
    await scene.end()


async def small_circuits_run(scene: Scene, count: int) -> None:
    """Teach the worker that circuits are small."""
    scene.simulators.automatic = succeeded()
    done = scene.worker.counters.completed + count
    for _ in range(count):
        await scene.submit()
    await until(lambda: scene.worker.counters.completed == done)
    scene.simulators.automatic = None
