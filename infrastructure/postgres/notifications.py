"""Notifications between processes: the outbox has something new, a task was cancelled.

NOTIFY takes a lock of the whole server at its commit, so it never rides on an append: it has a
connection of its own, and whatever is to be announced while one is under way becomes the next.
Nothing depends on its arrival: the relay polls, and a worker sees that its lease is gone.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from uuid import UUID

import structlog

from domain.errors import StoreUnavailable
from infrastructure.backoff import Backoff
from infrastructure.postgres.session import Session, session
from infrastructure.supervision import end

CHANNEL = "ketlog_outbox"
ANSWER_SECONDS = 2.0
SPACING_SECONDS = 0.01
HEARTBEAT_SECONDS = 2.0

WORDS_AT_ONCE = 200
"""So many task ids fit into a payload, which may have 8,000 bytes."""

MOST_WORDS = 10_000
"""Words kept for a channel while the database is away; what is left out is seen without them."""

log = structlog.get_logger()


def worker_channel(worker_id: str) -> str:
    """Return the channel on which a worker hears of its tasks; a worker's id may be any text."""
    return f"ketlog_worker_{hashlib.sha256(worker_id.encode()).hexdigest()[:32]}"


class Notifier:
    """Sends notifications, soon and together. Made and used within one event loop.

    Args:
        dsn: `postgresql://` URL.
        fallback: what the log says when the database is away: how it goes on without.
    """

    def __init__(self, dsn: str, application_name: str, fallback: str) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._fallback = fallback
        self._pending: dict[str, dict[str, None]] = {}
        self._wanted = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop; what is pending may be dropped."""
        await end(self._running)
        self._running = None

    def announce(self, channel: str, word: str = "") -> None:
        """Notify a channel soon; costs nothing where the same is pending already."""
        words = self._pending.setdefault(channel, {})
        if len(words) < MOST_WORDS:
            words[word] = None
        self._wanted.set()
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name=self._application_name)

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
                    log.warning(f"Cannot notify, {self._fallback}", reason=str(error))
                away = True
            await asyncio.sleep(backoff.next())

    async def _notify_on(self, own_session: Session, backoff: Backoff) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._pending:
                channel = next(iter(self._pending))
                words = list(self._pending.pop(channel))
                for begin_at in range(0, len(words), WORDS_AT_ONCE):
                    payload = " ".join(words[begin_at : begin_at + WORDS_AT_ONCE])
                    await own_session.ask("SELECT pg_notify($1, $2)", channel, payload)
            backoff.reset()
            await asyncio.sleep(SPACING_SECONDS)


class OutboxNotifier(Notifier):
    """Says that the outbox has something new."""

    def __init__(self, dsn: str, application_name: str = "ketlog notifier") -> None:
        super().__init__(dsn, application_name, "the relay polls meanwhile")

    def wake(self) -> None:
        """Notify the relay."""
        self.announce(CHANNEL)


class CancelNotifier(Notifier):
    """Tells workers which of their tasks were cancelled."""

    def __init__(self, dsn: str, application_name: str = "ketlog cancel notifier") -> None:
        super().__init__(dsn, application_name, "workers stop cancelled runs with their leases")

    def tell(self, worker_id: str, task_id: UUID) -> None:
        """Notify the worker that runs a task."""
        self.announce(worker_channel(worker_id), str(task_id))


class Listener:
    """Hears a channel, on a connection of its own with a heartbeat.

    Args:
        dsn: `postgresql://` URL.
        on_notification: called in the event loop with the payload of each notification.
        on_connected: called after each connection, since something may have been missed.
        fallback: what the log says when the database is away: how it goes on without.
    """

    def __init__(
        self,
        dsn: str,
        channel: str,
        on_notification: Callable[[str], None],
        on_connected: Callable[[], None],
        *,
        application_name: str,
        fallback: str,
    ) -> None:
        self._dsn = dsn
        self._channel = channel
        self._on_notification = on_notification
        self._on_connected = on_connected
        self._application_name = application_name
        self._fallback = fallback

    async def run(self) -> None:
        """Listen until cancelled."""
        backoff = Backoff()
        away = False
        while True:
            try:
                async with session(
                    self._dsn, self._application_name, ANSWER_SECONDS
                ) as own_session:
                    await own_session.listen(self._channel, self._on_notification)
                    away = False
                    backoff.reset()
                    self._on_connected()
                    await self._watch(own_session)
            except StoreUnavailable as error:
                if not away:
                    log.warning(f"Cannot listen, {self._fallback}", reason=str(error))
                away = True
            await asyncio.sleep(backoff.next())

    async def _watch(self, own_session: Session) -> None:
        """Return never; raises `StoreUnavailable` when the connection is of no use any more."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await own_session.ended.wait()
            await own_session.ask("SELECT 1")


class OutboxListener(Listener):
    """Hears that the outbox has something new.

    Args:
        on_wake: called for each notification, and after each connection.
    """

    def __init__(
        self, dsn: str, on_wake: Callable[[], None], application_name: str = "ketlog listener"
    ) -> None:
        super().__init__(
            dsn,
            CHANNEL,
            lambda _payload: on_wake(),
            on_wake,
            application_name=application_name,
            fallback="polling the outbox",
        )


class CancelNotices:
    """Hears which of a worker's tasks were cancelled."""

    def __init__(self, dsn: str, worker_id: str, application_name: str) -> None:
        self._dsn = dsn
        self._worker_id = worker_id
        self._application_name = application_name

    async def run(
        self, on_cancelled: Callable[[UUID], None], on_connected: Callable[[], None]
    ) -> None:
        """Listen until cancelled.

        Args:
            on_cancelled: called with each task.
            on_connected: called after each connection, since something may have been missed.
        """
        listener = Listener(
            self._dsn,
            worker_channel(self._worker_id),
            lambda payload: _each_task(payload, on_cancelled),
            on_connected,
            application_name=self._application_name,
            fallback="cancelled runs stop with their leases",
        )
        await listener.run()


def _each_task(payload: str, on_cancelled: Callable[[UUID], None]) -> None:
    for word in payload.split():
        try:
            task_id = UUID(word)
        except ValueError:
            log.warning("Notification not understood", word=word[:40])
        else:
            on_cancelled(task_id)
