"""The log, the projection, the outbox, the leases and the pauses, of every implementation."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from domain.batches import BatchLog, BatchQueries
from domain.listing import TaskLists
from domain.ports import CircuitQueries, EventLog, Leases, Outbox, Pauses, TaskQueries
from domain.waiting import QueueQueries
from infrastructure.memory import MemoryStore
from infrastructure.memory.batches import MemoryBatches
from infrastructure.memory.circuits import MemoryCircuits
from infrastructure.memory.queue_places import MemoryQueue
from infrastructure.memory.task_lists import MemoryTaskLists
from infrastructure.postgres.batches import PostgresBatches
from infrastructure.postgres.circuits import PostgresCircuits
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.pauses import PostgresPauses
from infrastructure.postgres.queue_places import PostgresQueue
from infrastructure.postgres.task_lists import PostgresTaskLists
from infrastructure.postgres.task_queries import PostgresTaskQueries


@dataclass
class Store:
    log: EventLog
    queries: TaskQueries
    outbox: Outbox
    leases: Leases
    pauses: Pauses
    circuits: CircuitQueries
    lists: TaskLists
    batch_log: BatchLog
    batches: BatchQueries
    queue: QueueQueries


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        twin = MemoryStore()
        yield Store(
            twin,
            twin,
            twin,
            twin,
            twin,
            MemoryCircuits(twin),
            MemoryTaskLists(twin),
            twin,
            MemoryBatches(twin),
            MemoryQueue(twin),
        )
        return
    dsn = request.getfixturevalue("database_url")
    database = Database(dsn, size=8, application_name="conformance")
    log = PostgresEventLog(database)
    yield Store(
        log,
        PostgresTaskQueries(database),
        PostgresOutbox(database),
        PostgresLeases(database),
        PostgresPauses(database),
        PostgresCircuits(database),
        PostgresTaskLists(database),
        log,
        PostgresBatches(database),
        PostgresQueue(database),
    )
    await database.close()
