"""Moves outbox rows to the broker: choose, publish, record, again.

No transaction is open while the broker is talked to. Rows whose messages are confirmed but not
recorded yet are remembered, so that only a crash between the two sends a message twice.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

import structlog

from domain.errors import BrokerUnavailable, StoreError
from domain.ports import Broker, Outbox, OutboxRow
from infrastructure.backoff import Backoff
from infrastructure.telemetry import metrics
from infrastructure.telemetry.context import trace_id_of
from infrastructure.telemetry.tracing import NO_TRACING, Tracing
from relay.spans import SendSpans
from relay.window import Window

BRISK_POLL_SECONDS = 0.01
LONE_POLL_SECONDS = 0.03
"""After a few rows: what the window holds lasts longer, and the look stays out of their way."""

POLL_SLOWDOWN = 1.5
FEW_PART = 8
"""No more rows than this part of the window are not worth another round at once."""

log = structlog.get_logger()
_root = logging.getLogger()


class Dispatcher:
    """Publishes what the outbox chooses, woken by `wake` and by its own polling.

    Args:
        outbox: decides what goes next, and how much.
        broker: takes the messages.
        window: how many rows may be dispatched and unclaimed at a time.
        poll_seconds: longest time between two looks at an idle outbox. While rows go out it
            looks more often: claims make room in the window and tell nobody.
        tracing: makes the spans of messages.
    """

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        window: Window,
        poll_seconds: float,
        *,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._outbox = outbox
        self._broker = broker
        self._window = window
        self._poll_seconds = poll_seconds
        self._pause_seconds = BRISK_POLL_SECONDS
        self._woken = asyncio.Event()
        self._stopping = False
        self._unrecorded: list[OutboxRow] = []
        self._spans = SendSpans(tracing)

    def wake(self) -> None:
        """Look at the outbox now."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the present round and let `run` return."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Dispatch until stopped; waits out absences of the database and the broker."""
        backoff = Backoff()
        absent = ""
        while not self._stopping:
            try:
                moved = await self.round()
            except (StoreError, BrokerUnavailable) as error:
                if type(error).__name__ != absent:
                    log.warning("Dispatch waits, trying again", reason=str(error))
                absent = type(error).__name__
                await self._rest(backoff.next())
                continue
            if absent:
                log.info("Dispatch goes on")
            absent = ""
            backoff.reset()
            few = moved <= self._window.size // FEW_PART
            if moved:
                look_again = LONE_POLL_SECONDS if few else BRISK_POLL_SECONDS
                self._pause_seconds = min(look_again, self._poll_seconds)
            if few:
                # A round costs a commit and the broker's confirms: let claims make some room.
                await self._pause()

    async def round(self) -> int:
        """Move one set of rows; returns how many went.

        Raises:
            StoreUnavailable, BrokerUnavailable: nothing is lost, the next round goes on here.
        """
        await self._record()
        rows = await self._outbox.choose(self._window.size)
        if not rows:
            return 0
        begun = time.time_ns()
        confirmed = set(await self._broker.publish(self._spans.sending(rows)))
        ended = time.time_ns()
        # In the order in which they went out: their numbers say it.
        self._unrecorded = [row for row in rows if row.row_id in confirmed]
        self._spans.sent(rows, confirmed, begun, ended)
        metrics.PUBLISHED.inc(len(confirmed))
        if _root.isEnabledFor(logging.DEBUG):
            _log_sent(self._unrecorded)
        return await self._record()

    async def _record(self) -> int:
        count = len(self._unrecorded)
        if count:
            await self._outbox.record_dispatched(self._unrecorded)
            self._unrecorded = []
        return count

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_seconds):
                await self._woken.wait()
        self._woken.clear()
        self._pause_seconds = min(self._pause_seconds * POLL_SLOWDOWN, self._poll_seconds)

    async def _rest(self, seconds: float) -> None:
        """Wait; notifications do not cut it short, they would make it a hot loop."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._stopping and (left := deadline - asyncio.get_running_loop().time()) > 0:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()


def _log_sent(rows: Sequence[OutboxRow]) -> None:
    for row in rows:
        log.debug(
            "Message sent",
            task_id=str(row.task_id),
            correlation_id=row.correlation_id,
            trace_id=trace_id_of(row.traceparent),
        )
