"""`python -m service.worker`: run a worker until it is told to stop."""

import asyncio
import os
import signal
import sys

import structlog
import uvloop

from infrastructure.collector import spare_the_collector
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.notifications import CancelNotices, OutboxNotifier
from infrastructure.postgres.traces import PostgresTraces
from infrastructure.quantum.inspection import InspectionProcess
from infrastructure.quantum.limits import InvalidLimitError
from infrastructure.quantum.pool import EngineLimits, SimulatorDied, SimulatorPool
from infrastructure.rabbitmq.consumer import Consumer
from infrastructure.rabbitmq.inspection_server import InspectionServer
from infrastructure.settings import SettingsError, WorkerSettings, read_settings
from infrastructure.shutdown import leave_after
from infrastructure.telemetry.exposition import MetricsServer
from infrastructure.telemetry.logging import configure_logging
from infrastructure.telemetry.provide import make_tracing
from service.worker.drain import Budget
from service.worker.gauges import watch
from service.worker.worker import Adapters, Worker

log = structlog.get_logger()


def main() -> int:
    """Run the process; returns its exit code."""
    settings = read_settings(WorkerSettings)
    configure_logging("worker", settings.log_level, settings.log_format)
    try:
        limits = EngineLimits.from_environment(os.environ)
    except InvalidLimitError as error:
        raise SettingsError(
            f"ketlog cannot start, this variable has to be changed: {error}"
        ) from None
    log.info("Worker starts", worker_id=settings.worker_id)
    spare_the_collector()
    return uvloop.run(_work(settings, limits))


async def _work(settings: WorkerSettings, limits: EngineLimits) -> int:
    told_to_stop = asyncio.Event()
    _listen_for_signals(told_to_stop)
    name = f"ketlog worker {settings.worker_id}"
    database = Database(
        settings.database_url, size=settings.database_pool_size, application_name=name
    )
    notifier = OutboxNotifier(settings.database_url, f"{name} notifier")
    pool = SimulatorPool(settings.worker_slots, limits, settings.simulator_spares)
    source = Consumer(settings.rabbitmq_url, name)
    inspector = InspectionProcess(limits, seconds=settings.check_seconds)
    worker = Worker(
        settings,
        Adapters(
            event_log=PostgresEventLog(database),
            leases=PostgresLeases(database),
            ping=database.ping,
            wake_relay=notifier.wake,
            source=source,
            simulators=pool,
            cancel_notices=CancelNotices(
                settings.database_url, settings.worker_id, f"{name} listener"
            ),
            tracing=make_tracing(
                "ketlog-worker", settings.worker_id, settings, PostgresTraces(database)
            ),
            inspections=InspectionServer(settings.rabbitmq_url, f"{name} checks", inspector),
        ),
    )
    pool.on_capacity = worker.wake
    watch(worker, pool, source, database)
    shown = MetricsServer(settings.metrics_host, settings.metrics_port)
    await shown.start()
    failed = await _run_until(told_to_stop, worker)
    budget = Budget.of(settings.shutdown_grace_seconds, asyncio.get_running_loop().time())
    leave_after(settings.shutdown_grace_seconds)
    await worker.stop(budget)
    await inspector.close()
    await shown.close()
    await notifier.close()
    await database.close(grace_seconds=1.0)
    log.info("Worker stopped", failed=failed)
    return 1 if failed else 0


async def _run_until(told_to_stop: asyncio.Event, worker: Worker) -> bool:
    """Start the worker and wait for the signal; tells whether it could not start."""
    starting = asyncio.create_task(worker.start())
    stopping = asyncio.create_task(told_to_stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
    except SimulatorDied:
        log.exception("Simulators cannot start")
        return True
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
    return False


def _listen_for_signals(told_to_stop: asyncio.Event) -> None:
    def handle() -> None:
        if told_to_stop.is_set():
            # Asked twice: at once. Leases run out, and the simulators go with their parent.
            os._exit(1)
        log.info("Worker drains")
        told_to_stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle)


if __name__ == "__main__":
    sys.exit(main())
