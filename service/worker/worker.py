"""One worker: its parts, how they are joined, how it starts and stops."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from domain.errors import StoreError
from domain.events import TaskRequeued
from domain.log import Append
from domain.ports import EventLog, Leases
from infrastructure.group_commit import GroupCommit
from infrastructure.heartbeat import Heartbeat
from infrastructure.settings import WorkerSettings
from infrastructure.supervision import supervised
from infrastructure.telemetry.append_spans import AppendSpans
from infrastructure.telemetry.tracing import NO_TRACING, Tracing
from service.worker.cancellations import Cancellations
from service.worker.claims import Claims
from service.worker.counters import Counters
from service.worker.drain import Budget, drain
from service.worker.intake import Intake
from service.worker.leases import LeaseRenewal
from service.worker.patience import Patience
from service.worker.ports import CancelNotices, DeliverySource, Inspections, Simulators
from service.worker.runs import Runs
from service.worker.spans import AttemptSpans

log = structlog.get_logger()

LOADING = "the simulators are being loaded"
PULSE_SECONDS = 1.0
UNWELL_PULSE_SECONDS = 0.25
"""How soon a worker looks again that is not well yet, or not any more."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """What a worker works with.

    Attributes:
        ping: raises `StoreUnavailable` while the database is away.
        wake_relay: called when a task is pending again, for the relay not to find out by polling.
        tracing: makes the spans of attempts.
        cancel_notices: says which tasks were cancelled; without, their leases tell.
        inspections: answers questions about circuits beside the tasks.
    """

    event_log: EventLog
    leases: Leases
    ping: Callable[[], Awaitable[None]]
    wake_relay: Callable[[], None]
    source: DeliverySource
    simulators: Simulators
    tracing: Tracing = NO_TRACING
    cancel_notices: CancelNotices | None = None
    inspections: Inspections | None = None


class Worker:
    """Joins the parts; `start`, then `stop` once.

    Attributes:
        counters: what it has done.
        database_answers: whether PostgreSQL did when it was last asked, about a second ago.
    """

    def __init__(self, settings: WorkerSettings, adapters: Adapters) -> None:
        self.counters = Counters()
        self.database_answers = False
        self._settings = settings
        self._adapters = adapters
        self._heartbeat = Heartbeat(settings.heartbeat_file)
        tracing = adapters.tracing
        spans = AttemptSpans(tracing, settings.worker_id)
        self._appender = GroupCommit(
            adapters.event_log,
            on_commit=self._committed,
            spans=AppendSpans(tracing) if tracing.on else None,
        )
        self.runs = Runs(
            adapters.simulators,
            self._appender,
            worker_id=settings.worker_id,
            max_attempts=settings.max_attempts,
            counters=self.counters,
            on_change=self.wake,
            on_ended=spans.ended,
        )
        self.intake = Intake(adapters.source, self.runs.load, self._look, self.counters)
        self._claims = Claims(
            adapters.event_log,
            self._appender,
            self.intake,
            self.runs,
            worker_id=settings.worker_id,
            lease_seconds=settings.lease_seconds,
            counters=self.counters,
            on_claimed=spans.claimed,
        )
        self._patience = Patience(self.intake, self.runs)
        self._cancellations = Cancellations(adapters.event_log, self.runs, adapters.cancel_notices)
        self._renewal = LeaseRenewal(
            adapters.leases,
            self.runs,
            worker_id=settings.worker_id,
            lease_seconds=settings.lease_seconds,
            interval_seconds=settings.lease_renewal_seconds,
            was_cancelled=self._cancellations.explain,
        )
        self._claiming: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the simulators and connect meanwhile; work is taken once circuits can run.

        Raises:
            SimulatorDied: the simulators cannot start.
        """
        await self._adapters.tracing.start()
        await self._appender.start()
        self._claiming = _loop("claims", self._claims.run)
        self._loops = [
            self._claiming,
            _loop("intake", self.intake.run),
            _loop("patience", self._patience.run),
            _loop("lease renewal", self._renewal.run),
            _loop("cancellations", lambda: self._cancellations.run(self._renewal.hasten)),
            _loop("pulse", self._pulse),
        ]
        if self._adapters.inspections is not None:
            self._loops.append(_loop("inspections", self._adapters.inspections.run))
        self.intake.stop(LOADING)
        await self.intake.start()
        await self._adapters.simulators.start()
        self.intake.resume(LOADING)
        log.info(
            "Worker ready",
            worker_id=self._settings.worker_id,
            slots=self._adapters.simulators.slots,
        )

    def wake(self) -> None:
        """Look at everything that depends on how much is in hand: a slot is free, or taken."""
        self.intake.adjust()
        self._look()

    async def is_well(self) -> bool:
        """Tell whether both connections stand and circuits can run."""
        self.database_answers = await self._ask_database()
        simulators = self._adapters.simulators
        can_run = bool(simulators.busy or simulators.room)
        return self.database_answers and self._adapters.source.connected and can_run

    async def stop(self, budget: Budget) -> None:
        """Drain and close, within the budget; also what has only begun to start."""
        if self._claiming is not None:
            await drain(self.intake, self._claims, self._claiming, self.runs, budget)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(
            self._appender.close(grace_seconds=0.5),
            self._adapters.source.close(),
            self._adapters.simulators.close(),
        )
        await self._adapters.tracing.close()
        self._heartbeat.clear()

    async def _ask_database(self) -> bool:
        try:
            async with asyncio.timeout(PULSE_SECONDS):
                await self._adapters.ping()
        except (StoreError, TimeoutError):
            return False
        return True

    def _look(self) -> None:
        self._claims.wake()
        self._patience.wake()

    def _committed(self, appends: Sequence[Append]) -> None:
        if any(isinstance(append.event, TaskRequeued) for append in appends):
            self._adapters.wake_relay()

    async def _pulse(self) -> None:
        while True:
            well = await self.is_well()
            if well:
                self._heartbeat.beat()
            await asyncio.sleep(PULSE_SECONDS if well else UNWELL_PULSE_SECONDS)


def _loop(name: str, run: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
    return asyncio.create_task(supervised(name, run), name=name)
