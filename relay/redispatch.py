"""Sends again what the broker has lost."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from domain.errors import BrokerUnavailable, StoreError
from domain.ports import Dispatched, Outbox
from infrastructure.rabbitmq.topology import Depth
from infrastructure.telemetry import metrics
from relay.loss import LossDetector

SAMPLE_SECONDS = 1.0
SAMPLES_PER_PATIENCE = 5

log = structlog.get_logger()


class Queue(Protocol):
    """What is looked at."""

    async def look(self) -> Depth:
        """Return the depth of the task queue; raises `BrokerUnavailable`.

        Where the queue is missing it is made, after everything was made to wait again.
        """
        ...


class Redispatcher:
    """Samples outbox and queue, and makes rows wait again whose messages are lost.

    Args:
        outbox: the rows.
        queue: where their messages should be.
        patience: seconds for which a loss has to show before it is believed.
        on_waiting: called when rows wait again.
        on_sample: called with what is dispatched, and the monotonic time, at each look.

    Attributes:
        depth: the queue when it was last seen; `None` while it cannot be seen.
    """

    def __init__(
        self,
        outbox: Outbox,
        queue: Queue,
        patience: float,
        on_waiting: Callable[[], None],
        on_sample: Callable[[Dispatched, float], None] = lambda _dispatched, _now: None,
    ) -> None:
        self._outbox = outbox
        self._queue = queue
        self._on_waiting = on_waiting
        self._on_sample = on_sample
        self._detector = LossDetector(patience)
        self._interval = min(SAMPLE_SECONDS, patience / SAMPLES_PER_PATIENCE)
        self._seen_at: float | None = None
        self.depth: Depth | None = None

    @property
    def connected(self) -> bool:
        """Whether the queue was seen a moment ago."""
        return self._seen_at is not None and time.monotonic() - self._seen_at < 4 * SAMPLE_SECONDS

    async def forget_all(self) -> None:
        """Make everything wait again: the queue is gone with all of its messages.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        self._detector.reset()
        count = await self._outbox.forget(None)
        self._waiting(count, "the queue is gone")

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            try:
                await self.sample()
            except StoreError:
                # The dispatcher says that the database is away.
                self._detector.reset()
            await asyncio.sleep(self._interval)

    async def sample(self) -> int:
        """Look once; returns how many rows wait again. Raises `StoreUnavailable`."""
        ready = await self._ready()
        dispatched = await self._outbox.dispatched()
        now = time.monotonic()
        self._on_sample(dispatched, now)
        lost = self._detector.observe(dispatched, ready, now)
        if not lost:
            return 0
        return self._waiting(await self._outbox.forget(lost), "messages are missing in the queue")

    async def _ready(self) -> int | None:
        try:
            depth = await self._queue.look()
        except BrokerUnavailable:
            self.depth = None
            return None
        self.depth = depth
        self._seen_at = time.monotonic()
        return depth.ready

    def _waiting(self, count: int, reason: str) -> int:
        if count:
            metrics.REDISPATCHED.inc(count)
            log.warning("Tasks are sent again", count=count, reason=reason)
            self._on_waiting()
        return count
