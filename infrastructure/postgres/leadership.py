"""Which of several processes leads: the one whose session holds an advisory lock.

    standby ──lock taken──► leader ──lost──► standby
       └─ asks every 0.5 s    └─ says that it lives every second

The lock dies with the session. A leader that freezes says nothing, so the server ends its idle
session after three seconds and the lock is free; when the frozen one wakes up it finds its session
gone. Between its waking and its finding out two leaders may run for a moment: everything that a
leader does is safe then, only not worth doing twice.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable

import structlog

from domain.errors import StoreUnavailable
from infrastructure.backoff import Backoff
from infrastructure.postgres.session import Session, session

STANDBY_POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
END_SECONDS = 5.0
IDLE_SESSION_TIMEOUT_MS = 3_000

log = structlog.get_logger()


def lock_key(name: str) -> int:
    """Return the 64-bit key of the advisory lock with this name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


class Leadership:
    """Runs something in one process at a time.

    Args:
        dsn: `postgresql://` URL; leadership is per database.
        name: what is led; also the `application_name` of the session.
    """

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._key = lock_key(name)
        self._answered_at: float | None = None
        self.leading = False

    @property
    def healthy(self) -> bool:
        """Whether this process leads or stands by, in touch with the database."""
        return (
            self._answered_at is not None
            and time.monotonic() - self._answered_at < IDLE_SESSION_TIMEOUT_MS / 1_000
        )

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Lead whenever the lock can be had: run `lead`, and cancel it when the lock is lost.

        Returns when `lead` does, or never. What `lead` raises is raised here.
        """
        backoff = Backoff()
        away = False
        while True:
            try:
                async with session(
                    self._dsn,
                    self._name,
                    ANSWER_SECONDS,
                    idle_session_timeout=str(IDLE_SESSION_TIMEOUT_MS),
                ) as lock_session:
                    away = False
                    await self._wait_for_lock(lock_session)
                    backoff.reset()
                    await self._lead(lock_session, lead)
                    return
            except StoreUnavailable as error:
                if not away:
                    log.warning("No leadership without PostgreSQL, trying again", reason=str(error))
                away = True
                self._answered_at = None
            await asyncio.sleep(backoff.next())

    async def _wait_for_lock(self, lock_session: Session) -> None:
        waiting = False
        while not await self._ask(lock_session, "SELECT pg_try_advisory_lock($1)", self._key):
            if not waiting:
                log.info("Standing by: another process leads", role=self._name)
            waiting = True
            await asyncio.sleep(STANDBY_POLL_SECONDS)

    async def _lead(self, lock_session: Session, lead: Callable[[], Awaitable[None]]) -> None:
        log.info("Leading", role=self._name)
        self.leading = True
        term = asyncio.ensure_future(lead())
        alive = asyncio.create_task(self._stay_alive(lock_session), name="leadership heartbeat")
        try:
            await asyncio.wait({term, alive}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leading = False
            outcomes = await _end(term, alive)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _stay_alive(self, lock_session: Session) -> None:
        """Return never; raises `StoreUnavailable` when the session is lost."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._ask(lock_session, "SELECT true")

    async def _ask(self, lock_session: Session, query: str, *values: object) -> bool:
        answer = await lock_session.ask(query, *values)
        self._answered_at = time.monotonic()
        return bool(answer)


async def _end(*tasks: asyncio.Future[None]) -> list[BaseException | None]:
    """Cancel and return what was raised; what does not end in time is left behind.

    Where several cancellations fall together, as after a freeze, a library may answer all of them
    with one more wait. What is left behind is no leader any more, and may finish when it can.
    """
    for task in tasks:
        task.cancel()
    ended, left = await asyncio.wait(tasks, timeout=END_SECONDS)
    for task in left:
        log.error("A term of leadership does not end, leaving it behind")
        task.add_done_callback(_outcome)
    return [_outcome(task) for task in ended]


def _outcome(task: asyncio.Future[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
