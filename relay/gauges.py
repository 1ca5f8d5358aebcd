"""What a relay knows at any moment, for those who watch it.

Every relay counts tasks, also one that stands by: the numbers are wanted most when none leads.
What only the leader sees is missing elsewhere.
"""

import asyncio
import time
from typing import Protocol

from domain.errors import StoreError
from infrastructure.postgres.census import Census
from infrastructure.postgres.connect import Database
from infrastructure.telemetry import metrics
from infrastructure.telemetry.metrics import Reading, Value
from relay.leader import Leader

SAMPLE_SECONDS = 1.0
LARGEST_SHARE = 0.05
"""Of the time, for counting: what takes long is done less often."""
BATCHES_AT_A_TIME = 10
FRESH_SAMPLES = 5


class Counts(Protocol):
    """Counts tasks; its methods raise `StoreUnavailable`."""

    async def take(self) -> Census:
        """Return how it stands."""
        ...

    async def count_ended(self) -> bool:
        """Go on along the log; tells whether there may be more."""
        ...


class Barrier:
    """For how long readers of the whole log have been held up by one transaction."""

    def __init__(self) -> None:
        self._oldest_open = 0
        self._since = 0.0

    def observe(self, oldest_open: int, next_transaction: int, now: float) -> float:
        """Take note of the oldest transaction that is open; returns its age, as seen from here.

        Args:
            oldest_open: its id, or `next_transaction` when none is open.
            now: seconds of any clock that never goes back.
        """
        if oldest_open == next_transaction:
            self._oldest_open = 0
            return 0.0
        if oldest_open != self._oldest_open:
            self._oldest_open, self._since = oldest_open, now
        return now - self._since


class RelayGauges:
    """Samples the database, and reads the rest when it is asked for.

    Attributes:
        leader: the present term, if this process leads.
    """

    def __init__(self, database: Database, counts: Counts) -> None:
        self._counts = counts
        self._barrier = Barrier()
        self._census: Census | None = None
        self._barrier_seconds = 0.0
        self._fresh_until = 0.0
        self.leader: Leader | None = None
        metrics.LEADING.set_function(lambda: float(self.leader is not None))
        metrics.register(*self._of_database(database), *self._of_leader())

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            took = await self.sample()
            await asyncio.sleep(max(SAMPLE_SECONDS, took / LARGEST_SHARE))

    async def sample(self) -> float:
        """Look once; returns how many seconds that took."""
        begun = time.monotonic()
        try:
            for _ in range(BATCHES_AT_A_TIME):
                if not await self._counts.count_ended():
                    break
            self._census = await self._counts.take()
        except StoreError:
            # Others say that the database is away.
            self._census = None
            return 0.0
        now = time.monotonic()
        self._barrier_seconds = self._barrier.observe(
            self._census.oldest_open, self._census.next_transaction, now
        )
        pause = max(SAMPLE_SECONDS, (now - begun) / LARGEST_SHARE)
        self._fresh_until = now + FRESH_SAMPLES * pause
        return now - begun

    def _of_database(self, database: Database) -> list[Reading]:
        return [
            Reading("gauge", "ketlog_tasks", "Tasks by status.", self._tasks, "status"),
            Reading(
                "gauge",
                "ketlog_outbox_tasks",
                "Tasks that no worker has claimed: the broker has a message for them, they wait "
                "for one, or they are held until their earliest start.",
                self._unclaimed,
                "state",
            ),
            Reading(
                "gauge",
                "ketlog_outbox_oldest_seconds",
                "Time for which the oldest unclaimed task has waited.",
                lambda: None if (seen := self._fresh) is None else seen.oldest_seconds,
            ),
            Reading(
                "gauge",
                "ketlog_log_reader_lag_seconds",
                "Age of the oldest event that readers of the whole log may not read yet, because "
                "a transaction that began earlier is still open.",
                lambda: None if (seen := self._fresh) is None else seen.hidden_seconds,
            ),
            Reading(
                "gauge",
                "ketlog_oldest_transaction_seconds",
                "For how long the oldest open writing transaction of the database server has "
                "been seen; readers of the whole log stop before it.",
                lambda: None if self._fresh is None else self._barrier_seconds,
            ),
            Reading(
                "gauge",
                "ketlog_dependency_up",
                "1 while the server answers.",
                self._dependencies,
                "dependency",
            ),
            Reading(
                "gauge",
                "ketlog_database_pool_connections",
                "Connections of the pool.",
                lambda: database.connections,
                "state",
            ),
        ]

    def _of_leader(self) -> list[Reading]:
        return [
            Reading(
                "gauge",
                "ketlog_queue_messages_ready",
                "Messages in the task queue that no worker holds.",
                lambda: None if self.leader is None else self.leader.queue_ready,
            ),
            Reading(
                "gauge",
                "ketlog_queue_consumers",
                "Consumers of the task queue: workers that have room. RabbitMQ may count one twice "
                "that has just changed how much it takes.",
                lambda: None if self.leader is None else self.leader.queue_consumers,
            ),
            Reading(
                "gauge",
                "ketlog_dispatch_window",
                "Most tasks that may be with the broker unclaimed, as far as workers claim them.",
                lambda: None if self.leader is None else self.leader.window,
            ),
            Reading(
                "gauge",
                "ketlog_dead_letters",
                "Messages in the dead-letter queue.",
                lambda: None if self.leader is None else self.leader.dead_letters,
            ),
            Reading(
                "gauge",
                "ketlog_seal_lag_seconds",
                "Age of the oldest event that no signed checkpoint covers.",
                lambda: None if self.leader is None else self.leader.seal_lag_seconds,
            ),
            Reading(
                "gauge",
                "ketlog_sealed_events",
                "Events under the signed tree.",
                lambda: None if self.leader is None else self.leader.sealed_events,
            ),
        ]

    @property
    def _fresh(self) -> Census | None:
        return None if time.monotonic() > self._fresh_until else self._census

    def _tasks(self) -> Value:
        census = self._fresh
        if census is None:
            return None
        return {
            "pending": census.waiting + census.held + census.dispatched,
            "processing": census.processing,
            "completed": census.completed,
            "failed": census.failed,
            "cancelled": census.cancelled,
        }

    def _unclaimed(self) -> Value:
        census = self._fresh
        if census is None:
            return None
        return {
            "waiting": census.waiting,
            "held": census.held,
            "dispatched": census.dispatched,
        }

    def _dependencies(self) -> Value:
        up = {"postgresql": float(self._fresh is not None)}
        if self.leader is not None:
            up["rabbitmq"] = float(self.leader.connected)
        return up
