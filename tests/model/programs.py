"""What runs in the processes: the real code of API, relay and worker, on twins of its adapters."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from domain.errors import StoreError
from domain.execution import RunSucceeded
from domain.identifiers import uuid7
from domain.labels import Labels, Priority
from domain.log import Append
from infrastructure.backoff import Backoff
from infrastructure.group_commit import GroupCommit
from infrastructure.postgres.leadership import Leadership
from infrastructure.quantum.job import Job, SimulatorDied
from infrastructure.settings import RelaySettings, WorkerSettings
from infrastructure.supervision import supervised
from relay.dispatch import Dispatcher
from relay.reaper import Reaper
from relay.redispatch import Redispatcher
from relay.schedule import Schedule
from relay.window import Window
from service.worker.drain import Budget
from service.worker.worker import Adapters, Worker
from tests.model.broker import BrokerServer
from tests.model.broker_clients import Consumer, RelayBroker
from tests.model.database import DatabaseClient, DatabaseServer
from tests.model.loop import Process, remotely
from tests.support import tasks
from tests.support.worker_fakes import FakeSimulators

REQUEST_SECONDS = 2.5
RUN_SECONDS = (0.001, 0.01, 0.2, 1.0, 4.0)
TENANTS = ("", "north", "south")
LATER = timedelta(seconds=1.5)
RELAY = RelaySettings.model_construct()
WORKER = WorkerSettings.model_construct(worker_id="", worker_slots=1)


class ApiProgram:
    """Takes submissions in, as many at a time as come."""

    def __init__(self, database: DatabaseServer) -> None:
        self._appender = GroupCommit(DatabaseClient(database))

    async def run(self) -> None:
        """Serve, for ever."""
        await self._appender.start()

    async def submit(self, append: Append) -> bool:
        """Answer a request: whether the task is accepted; `False` says "try again"."""
        try:
            # A conflict shows that an earlier request with this key was stored.
            await self._appender.append(append, REQUEST_SECONDS)
        except StoreError:
            return False
        return True


class RelayProgram:
    """Leads, or stands by. `relay.leader` joins the same parts to real servers."""

    def __init__(self, database: DatabaseServer, broker: BrokerServer) -> None:
        self._database = database
        self._broker = broker
        self._dispatcher: Dispatcher | None = None

    async def run(self) -> None:
        """Take part, for ever."""
        leadership = Leadership("", "model")
        client = DatabaseClient(self._database)
        reaper = Reaper(
            client,
            client,
            RELAY.lease_seconds,
            RELAY.max_attempts,
            self._on_requeued,
            leads=lambda: leadership.leading,
        )
        reaping = asyncio.create_task(supervised("reaper", reaper.run))
        try:
            await supervised("leadership", lambda: leadership.run(self._lead))
        finally:
            reaping.cancel()

    def _on_requeued(self) -> None:
        if self._dispatcher is not None:
            self._dispatcher.wake()

    async def _lead(self) -> None:
        settings = RELAY
        client = DatabaseClient(self._database)

        async def before_making() -> None:
            await redispatcher.forget_all()

        broker = RelayBroker(self._broker, before_making)
        window = Window(settings.dispatch_window_least, settings.dispatch_window)
        dispatcher = self._dispatcher = Dispatcher(
            client, broker, window, settings.relay_poll_seconds
        )
        redispatcher = Redispatcher(
            client, broker, settings.redispatch_seconds, dispatcher.wake, window.observe
        )
        schedule = Schedule(client, dispatcher.wake)
        loops = {
            "dispatch": dispatcher.run,
            "redispatch": redispatcher.run,
            "schedule": schedule.run,
        }
        running = [asyncio.create_task(supervised(name, loop)) for name, loop in loops.items()]
        try:
            await asyncio.gather(*running)
        finally:
            for loop in running:
                loop.cancel()
            broker.close()


class WorkerProgram:
    """A worker with one slot whose runs last as long as chance wants."""

    def __init__(
        self, name: str, database: DatabaseServer, broker: BrokerServer, simulators: "Simulators"
    ) -> None:
        client = DatabaseClient(database)
        self.simulators = simulators
        self.worker = Worker(
            WORKER.model_copy(update={"worker_id": name}),
            Adapters(client, client, client.ping, _nobody, Consumer(broker), simulators),
        )
        simulators.on_capacity = self.worker.wake

    async def run(self) -> None:
        """Work, for ever."""
        await self.worker.start()

    async def drain(self, grace_seconds: float) -> None:
        """Stop in an orderly way."""
        await self.worker.stop(Budget.of(grace_seconds, asyncio.get_running_loop().time()))


class Simulators(FakeSimulators):
    """Simulators whose runs end by themselves.

    Args:
        chance: decides how long a run lasts.
        run_seconds: of which lengths.
    """

    def __init__(self, chance: random.Random, run_seconds: tuple[float, ...]) -> None:
        super().__init__(slots=1)
        self._chance = chance
        self._run_seconds = run_seconds
        self._timed: set[Job] = set()

    def die(self) -> None:
        """Lose the simulator that runs."""
        for job in self.running:
            self.finish(job, SimulatorDied("killed by SIGKILL"))

    def _fill(self) -> None:
        super()._fill()
        for job in self.running:
            if job in self._timed:
                continue
            self._timed.add(job)
            asyncio.get_running_loop().call_later(
                self._chance.choice(self._run_seconds), self._end, job
            )

    def _end(self, job: Job) -> None:
        if not job.outcome.done():
            self.finish(job, RunSucceeded({"0": 1}, None, {"seed": 1}))


async def submit(
    choose: Callable[[], tuple[Process, ApiProgram] | None], now: Callable[[], datetime]
) -> UUID:
    """Submit a task until it is accepted, with one idempotency key; returns its id.

    Args:
        choose: returns the API to be asked next; `None` where that one does not run.
        now: the database's time.
    """
    task_id = uuid7()
    tenant, labels = _said(task_id, now())
    backoff = Backoff()
    while True:
        append = tasks.submission(task_id=task_id, tenant=tenant, labels=labels)
        if (chosen := choose()) is not None and await _accepts(*chosen, append):
            return task_id
        await asyncio.sleep(backoff.next())


def _said(task_id: UUID, now: datetime) -> tuple[str, Labels]:
    """Return whose a task is and what is said of it, as the random bits of its id have it."""
    tenant = TENANTS[task_id.int % len(TENANTS)]
    priority = list(Priority)[task_id.int // 16 % len(Priority)]
    later = task_id.int // 256 % 4 == 0
    return tenant, Labels(priority=priority, not_before=now + LATER if later else None)


async def _accepts(process: Process, api: ApiProgram, append: Append) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2 * REQUEST_SECONDS):
            return await remotely(process, lambda: api.submit(append))
    return False


def _nobody() -> None:
    """Nobody is told that a task is pending again: the relay finds out by polling."""
