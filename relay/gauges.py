"""What a relay knows at any moment, for those who watch it.

Every relay looks at the outbox, also one that stands by: the numbers are wanted most when none
leads. What only the leader sees is missing elsewhere.
"""

import asyncio
import time
from typing import Protocol

from domain.errors import StoreError
from infrastructure.postgres.connect import Database
from infrastructure.postgres.outbox import OutboxState
from infrastructure.telemetry import metrics
from infrastructure.telemetry.metrics import Reading, Value
from relay.leader import Leader

SAMPLE_SECONDS = 5.0
FRESH_SECONDS = 3 * SAMPLE_SECONDS


class OutboxLook(Protocol):
    """Looks at the outbox; raises `StoreUnavailable`."""

    async def state(self) -> OutboxState:
        """Return how full it is."""
        ...


class RelayGauges:
    """Samples the outbox, and reads the rest when it is asked for.

    Attributes:
        leader: the present term, if this process leads.
    """

    def __init__(self, database: Database, outbox: OutboxLook) -> None:
        self._outbox = outbox
        self._state: OutboxState | None = None
        self._sampled_at = 0.0
        self.leader: Leader | None = None
        metrics.LEADING.set_function(lambda: float(self.leader is not None))
        metrics.register(
            Reading(
                "gauge",
                "ketlog_outbox_tasks",
                "Tasks that no worker has claimed, by whether the broker has a message for them.",
                self._tasks,
                "state",
            ),
            Reading(
                "gauge",
                "ketlog_outbox_oldest_seconds",
                "Time for which the oldest unclaimed task has waited.",
                self._oldest,
            ),
            Reading(
                "gauge",
                "ketlog_queue_messages_ready",
                "Messages in the task queue that no worker holds.",
                lambda: None if self.leader is None else self.leader.queue_ready,
            ),
            Reading(
                "gauge",
                "ketlog_queue_consumers",
                "Workers that consume the task queue.",
                lambda: None if self.leader is None else self.leader.queue_consumers,
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
                "Age of the oldest event that no signed checkpoint covers. The sealer reads the "
                "whole log in order, so this is also how far readers of the log are behind.",
                lambda: None if self.leader is None else self.leader.seal_lag_seconds,
            ),
            Reading(
                "gauge",
                "ketlog_sealed_events",
                "Events under the signed tree.",
                lambda: None if self.leader is None else self.leader.sealed_events,
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
        )

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            try:
                self._state = await self._outbox.state()
                self._sampled_at = time.monotonic()
            except StoreError:
                # Others say that the database is away.
                self._state = None
            await asyncio.sleep(SAMPLE_SECONDS)

    @property
    def _fresh(self) -> OutboxState | None:
        stale = time.monotonic() - self._sampled_at > FRESH_SECONDS
        return None if stale else self._state

    def _tasks(self) -> Value:
        state = self._fresh
        if state is None:
            return None
        return {"waiting": state.waiting, "dispatched": state.dispatched}

    def _oldest(self) -> Value:
        state = self._fresh
        return None if state is None else state.oldest_seconds

    def _dependencies(self) -> Value:
        up = {"postgresql": float(self._fresh is not None)}
        if self.leader is not None:
            up["rabbitmq"] = float(self.leader.connected)
        return up
