"""Waking the relay when something was put into the outbox.

NOTIFY takes a lock of the whole server at its commit, so it never rides on an append: it has a
connection of its own, and whatever is to be announced while one is under way becomes the next.
Nothing depends on its arrival: the relay polls as well.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from domain.errors import StoreUnavailable
from infrastructure.backoff import Backoff
from infrastructure.postgres.session import Session, session

CHANNEL = "ketlog_outbox"
ANSWER_SECONDS = 2.0
SPACING_SECONDS = 0.01
HEARTBEAT_SECONDS = 2.0

log = structlog.get_logger()


class OutboxNotifier:
    """Says that the outbox has something new. Made and used within one event loop."""

    def __init__(self, dsn: str, application_name: str = "ketlog notifier") -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._wanted = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Notify soon; costs nothing when a notification is pending already."""
        self._wanted.set()
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="outbox notifier")

    async def close(self) -> None:
        """Stop; a notification that is pending may be dropped."""
        await _cancel(self._running)
        self._running = None

    async def _run(self) -> None:
        backoff = Backoff()
        away = False
        while True:
            try:
                async with session(
                    self._dsn, self._application_name, ANSWER_SECONDS
                ) as own_session:
                    away = False
                    await self._notify_on(own_session, backoff)
            except StoreUnavailable as error:
                if not away:
                    log.warning("Cannot wake the relay, it polls meanwhile", reason=str(error))
                away = True
            await asyncio.sleep(backoff.next())

    async def _notify_on(self, own_session: Session, backoff: Backoff) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await own_session.ask(f"NOTIFY {CHANNEL}")
            backoff.reset()
            await asyncio.sleep(SPACING_SECONDS)


class OutboxListener:
    """Hears that the outbox has something new, on a connection of its own with a heartbeat.

    Args:
        dsn: `postgresql://` URL.
        on_wake: called in the event loop for each notification, and after each reconnection,
            since something may have been missed.
    """

    def __init__(
        self, dsn: str, on_wake: Callable[[], None], application_name: str = "ketlog listener"
    ) -> None:
        self._dsn = dsn
        self._on_wake = on_wake
        self._application_name = application_name

    async def run(self) -> None:
        """Listen until cancelled."""
        backoff = Backoff()
        away = False
        while True:
            try:
                async with session(
                    self._dsn, self._application_name, ANSWER_SECONDS
                ) as own_session:
                    await own_session.listen(CHANNEL, self._on_wake)
                    away = False
                    backoff.reset()
                    self._on_wake()
                    await self._watch(own_session)
            except StoreUnavailable as error:
                if not away:
                    log.warning("Cannot listen to the outbox, polling it", reason=str(error))
                away = True
            await asyncio.sleep(backoff.next())

    async def _watch(self, own_session: Session) -> None:
        """Return never; raises `StoreUnavailable` when the connection is of no use any more."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await own_session.ended.wait()
            await own_session.ask("SELECT 1")


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
