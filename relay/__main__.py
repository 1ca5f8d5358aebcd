"""`python -m relay`: run the outbox relay until it is told to stop."""

import asyncio
import contextlib
import os
import signal
import socket
import sys

import structlog
import uvloop

from infrastructure.collector import spare_the_collector
from infrastructure.heartbeat import Heartbeat
from infrastructure.postgres.census import PostgresCensus
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.leadership import Leadership
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.pauses import PostgresPauses
from infrastructure.postgres.seals import PostgresSeals
from infrastructure.postgres.traces import PostgresTraces
from infrastructure.settings import RelaySettings, read_settings
from infrastructure.shutdown import leave_after
from infrastructure.supervision import supervised
from infrastructure.telemetry.exposition import MetricsServer
from infrastructure.telemetry.logging import configure_logging
from infrastructure.telemetry.provide import make_tracing
from relay.gauges import RelayGauges
from relay.leader import NAME, Leader
from relay.old_traces import OldTraces
from relay.pause import PauseWatch
from relay.reaper import Reaper

HEARTBEAT_SECONDS = 1.0
UNWELL_SECONDS = 0.25
"""How soon a relay looks again that is not connected yet, or not any more."""
CLOSE_SECONDS = 2.0

log = structlog.get_logger()


def main() -> int:
    """Run the process; returns its exit code."""
    settings = read_settings(RelaySettings)
    configure_logging("relay", settings.log_level, settings.log_format)
    log.info("Relay starts")
    spare_the_collector()
    uvloop.run(Relay(settings).run())
    log.info("Relay stopped")
    return 0


class Relay:
    """One relay process: leads, or stands by for the one that does."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self._database = Database(
            settings.database_url, size=settings.database_pool_size, application_name=NAME
        )
        self._leadership = Leadership(settings.database_url, f"{NAME} leader")
        self._leader: Leader | None = None
        self._event_log = PostgresEventLog(self._database)
        self._heartbeat = Heartbeat(settings.heartbeat_file)
        self._told_to_stop = asyncio.Event()
        traces = PostgresTraces(self._database)
        self._tracing = make_tracing(
            "ketlog-relay", f"{socket.gethostname()}-{os.getpid()}", settings, traces
        )
        self._reaper = Reaper(
            self._event_log,
            PostgresLeases(self._database),
            settings.lease_seconds,
            settings.max_attempts,
            self._on_requeued,
            leads=lambda: self._leadership.leading,
            tracing=self._tracing,
        )
        self._old_traces = OldTraces(traces, settings.trace_hours)
        self._pause = PauseWatch(PostgresPauses(self._database))
        self._gauges = RelayGauges(self._database, PostgresCensus(self._database))
        self._metrics = MetricsServer(settings.metrics_host, settings.metrics_port)

    async def run(self) -> None:
        """Work until a signal comes; then finish within `SHUTDOWN_GRACE_SECONDS`."""
        self._listen_for_signals()
        work = asyncio.create_task(supervised("leadership", self._take_part))
        beat = asyncio.create_task(supervised("heartbeat", self._beat))
        look = asyncio.create_task(supervised("gauges", self._gauges.run))
        forget = asyncio.create_task(supervised("old traces", self._old_traces.run))
        pause = asyncio.create_task(supervised("pause", self._pause.run))
        reap = asyncio.create_task(supervised("reaper", self._reaper.run))
        self._pause.show()
        await self._tracing.start()
        await self._metrics.start()
        await self._told_to_stop.wait()
        leave_after(self._settings.shutdown_grace_seconds)
        if self._leader is not None:
            self._leader.stop()
            await asyncio.wait({work}, timeout=self._settings.shutdown_grace_seconds / 2)
        for task in (work, beat, look, forget, pause, reap):
            task.cancel()
        await asyncio.gather(work, beat, look, forget, pause, reap, return_exceptions=True)
        await self._metrics.close()
        await self._tracing.close()
        await self._database.close(CLOSE_SECONDS)
        self._heartbeat.clear()

    async def _take_part(self) -> None:
        await self._leadership.run(self._lead)

    async def _lead(self) -> None:
        leader = self._leader = self._gauges.leader = Leader(
            self._settings,
            self._event_log,
            PostgresOutbox(self._database),
            PostgresSeals(self._database),
            tracing=self._tracing,
        )
        try:
            await leader.lead()
        finally:
            # A term that was left behind may end in the middle of a later one.
            if self._leader is leader:
                self._leader = self._gauges.leader = None

    def _on_requeued(self) -> None:
        if self._leader is not None:
            self._leader.wake()

    async def _beat(self) -> None:
        while True:
            well = self._leadership.healthy and (self._leader is None or self._leader.connected)
            if well:
                self._heartbeat.beat()
            await asyncio.sleep(HEARTBEAT_SECONDS if well else UNWELL_SECONDS)

    def _listen_for_signals(self) -> None:
        def handle() -> None:
            if self._told_to_stop.is_set():
                # Asked twice: at once. Nothing is lost, some messages may be sent again.
                os._exit(1)
            log.info("Relay drains")
            self._told_to_stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, handle)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
