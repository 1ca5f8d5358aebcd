"""The adapters of the running API: what they are, and the order in which they start and end."""

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from domain.log import Append
from infrastructure.batch_commit import BatchCommit
from infrastructure.group_commit import GroupCommit
from infrastructure.postgres.batches import PostgresBatches
from infrastructure.postgres.circuits import PostgresCircuits
from infrastructure.postgres.connect import Database
from infrastructure.postgres.contents import PostgresContents
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.history import PostgresHistory
from infrastructure.postgres.keys import PostgresKeys
from infrastructure.postgres.live import PostgresLive
from infrastructure.postgres.notifications import CancelNotifier, OutboxNotifier
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.queue_places import PostgresQueue
from infrastructure.postgres.seals import PostgresSeals
from infrastructure.postgres.task_lists import PostgresTaskLists
from infrastructure.postgres.task_queries import PostgresTaskQueries
from infrastructure.postgres.traces import PostgresTraces
from infrastructure.rabbitmq.alarm import AlarmProbe
from infrastructure.rabbitmq.inspection_client import RemoteInspector
from infrastructure.rabbitmq.probe import BrokerProbe
from infrastructure.settings import ApiSettings
from infrastructure.telemetry import metrics
from infrastructure.telemetry.append_spans import AppendSpans
from infrastructure.telemetry.exposition import MetricsServer
from infrastructure.telemetry.metrics import Reading
from infrastructure.telemetry.provide import make_tracing
from service.api.app import Adapters
from service.api.backlog import Backlog
from service.api.batches import BatchStores
from service.api.connections import Connections
from service.api.probes import DatabaseProbe, QueueProbe
from service.api.rehearsal import rehearsal
from service.api.tenant_backlogs import TenantBacklogs

APPLICATION_NAME = "ketlog-api"


class Runtime:
    """PostgreSQL and RabbitMQ as the API uses them. Neither has to be there for it to start."""

    def __init__(self, settings: ApiSettings, number: int = 0) -> None:
        """Make the adapters; `number` is the process's place among several, from 0."""
        self._database = Database(
            settings.database_url,
            size=settings.database_pool_size,
            application_name=APPLICATION_NAME,
        )
        port = settings.api_metrics_port
        self._metrics = MetricsServer(settings.metrics_host, port + number if port else 0)
        self._notifier = OutboxNotifier(settings.database_url)
        self._cancel_notifier = CancelNotifier(settings.database_url)
        log = PostgresEventLog(self._database)
        self._database_probe = DatabaseProbe(
            settings.database_url, lambda: log.rehearse(rehearsal())
        )
        self._queue_probe = QueueProbe(
            BrokerProbe(settings.rabbitmq_url), AlarmProbe(settings.rabbitmq_url)
        )
        self.tracing = make_tracing(
            APPLICATION_NAME, _instance(), settings, PostgresTraces(self._database)
        )
        self._commits = GroupCommit(
            log,
            on_commit=self._wake_relay,
            on_failure=self._database_probe.doubt,
            spans=AppendSpans(self.tracing) if self.tracing.on else None,
        )
        self._inspector = RemoteInspector(
            settings.rabbitmq_url, f"{APPLICATION_NAME} checks", seconds=settings.check_seconds
        )
        self._batches = BatchCommit(
            log,
            on_commit=self._wake_relay,
            on_failure=self._database_probe.doubt,
            spans=AppendSpans(self.tracing) if self.tracing.on else None,
        )
        self._backlog = (
            Backlog(PostgresOutbox(self._database), settings.max_backlog)
            if settings.max_backlog
            else None
        )
        with_keys = settings.auth == "keys"
        self._backlogs = (
            TenantBacklogs(PostgresOutbox(self._database), settings.max_backlog_per_tenant)
            if with_keys
            else None
        )
        self.adapters = Adapters(
            appender=self._commits,
            log=log,
            queries=PostgresTaskQueries(self._database),
            circuits=PostgresCircuits(self._database),
            queue=PostgresQueue(self._database),
            lists=PostgresTaskLists(self._database),
            history=PostgresHistory(self._database),
            live=PostgresLive(self._database),
            seals=PostgresSeals(self._database),
            contents=PostgresContents(self._database),
            database=self._database_probe,
            broker=self._queue_probe,
            batches=BatchStores(self._batches, log, PostgresBatches(self._database)),
            backlog=self._backlog,
            backlogs=self._backlogs,
            on_cancelled=self._cancel_notifier.tell,
            inspector=self._inspector,
            keys=PostgresKeys(self._database) if with_keys else None,
        )

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Run the adapters; what waits to be stored is stored before they end."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._database.close)
            stack.push_async_callback(self._notifier.close)
            stack.push_async_callback(self._cancel_notifier.close)
            stack.push_async_callback(self._inspector.close)
            adapters = (
                self._database_probe,
                self._queue_probe,
                self.tracing,
                self._commits,
                self._batches,
                self._backlog,
                self._metrics,
                self._backlogs,
            )
            for adapter in adapters:
                if adapter is not None:
                    await adapter.start()
                    stack.push_async_callback(adapter.close)
            yield

    def watch(self, connections: Connections) -> None:
        """Show what the adapters and the server know with the metrics."""
        database, queue = self._database_probe, self._queue_probe
        metrics.register(
            Reading(
                "gauge",
                "ketlog_http_connections",
                "Connections of clients that are served.",
                lambda: connections.served,
            ),
            Reading(
                "gauge",
                "ketlog_append_waiting",
                "Appends without an answer yet.",
                lambda: self._commits.waiting,
            ),
            Reading(
                "gauge",
                "ketlog_dependency_up",
                "1 while the server answers and, as far as it is known, does what is asked of it.",
                lambda: {
                    "postgresql": float(database.connected and not database.failing),
                    "rabbitmq": float(queue.connected),
                },
                "dependency",
            ),
            Reading(
                "gauge",
                "ketlog_broker_blocked",
                "1 while RabbitMQ takes no messages for want of memory or disk.",
                lambda: float(queue.blocked),
            ),
            Reading(
                "gauge",
                "ketlog_database_pool_connections",
                "Connections of the pool.",
                lambda: self._database.connections,
                "state",
            ),
        )

    def _wake_relay(self, _stored: Sequence[Append]) -> None:
        self._notifier.wake()


def _instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"
