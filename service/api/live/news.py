"""Who waits for news of which task: one statement a look for all of them.

A look asks for what has happened to every task that is waited for, above the version known of it.
It runs while somebody waits and not otherwise. One task's events become visible in their order, so
none of this has to wait for other transactions, as readers of the whole log do.

A task that somebody has just begun to wait for, or that something has just happened to, is looked
at often, and the longer nothing happens the less often. So the end of a task of ten milliseconds is
seen within two or three, and one of ten minutes costs no more looks than it did.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from domain.errors import StoreUnavailable
from domain.live import LiveQueries
from domain.log import LoggedEvent
from infrastructure.backoff import Backoff
from infrastructure.supervision import supervised
from service.api.live.pace import rest

LOOK_SECONDS = 0.02
FIRST_LOOK_SECONDS = 0.002
LATENESS = 1 / 8
"""News may be late by this part of the time that was waited for them."""
FEW_TASKS = 8
"""A look for so few is cheap, and takes long only where the machine is busy with something else."""
MOST_AT_A_TIME = 1_000

Told = Callable[[LoggedEvent], None]

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Waiting:
    """One reader that waits for one task.

    Attributes:
        version: the highest that the reader knows.
        tell: called with each event above it, in order.
        since: when the reader began to wait for what is above the version.
        due: when to look next.
    """

    task_id: UUID
    version: int
    tell: Told
    since: float = field(default_factory=time.monotonic)
    due: float = 0.0

    def put_off(self, now: float, longest_seconds: float) -> None:
        """Set the time of the next look after one that is made now.

        Those who have waited for long are all due at the same moments, for one look to serve them.
        """
        pause = max(LATENESS * (now - self.since), FIRST_LOOK_SECONDS)
        if pause < longest_seconds:
            self.due = now + pause
        else:
            self.due = (now // longest_seconds + 1) * longest_seconds


class TaskNews:
    """Tells readers what happens to their tasks.

    Args:
        look_seconds: longest time between two looks at a task, if they take a tenth of it at most.
    """

    def __init__(self, queries: LiveQueries, look_seconds: float = LOOK_SECONDS) -> None:
        self._queries = queries
        self._look_seconds = look_seconds
        self._readers: dict[UUID, list[Waiting]] = {}
        self._joined = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def looking(self) -> bool:
        """Whether the database is asked now and then."""
        return self._running is not None

    def join(self, task_id: UUID, version: int, tell: Told) -> Waiting:
        """Begin to tell a reader what happens to a task above a version; `leave` must follow."""
        reader = Waiting(task_id, version, tell)
        self._readers.setdefault(task_id, []).append(reader)
        self._joined.set()
        if self._running is None:
            self._running = asyncio.create_task(
                supervised("news of tasks", self._look), name="news of tasks"
            )
        return reader

    def leave(self, reader: Waiting) -> None:
        """Tell a reader no more. Without any, the looks end."""
        readers = self._readers[reader.task_id]
        readers.remove(reader)
        if not readers:
            del self._readers[reader.task_id]

    async def _look(self) -> None:
        backoff = Backoff(first=0.1, longest=0.5)
        away = False
        while self._readers:
            self._joined.clear()
            began = time.monotonic()
            known = self._take_due(began)
            try:
                news = await self._queries.news(known, MOST_AT_A_TIME) if known else ()
            except StoreUnavailable as error:
                if not away:
                    log.warning("Cannot look for news of tasks", reason=str(error))
                away = True
                await asyncio.sleep(backoff.next())
                continue
            away = False
            backoff.reset()
            self._tell(news)
            await self._rest(len(known), time.monotonic() - began)
        self._running = None

    def _take_due(self, now: float) -> dict[UUID, int]:
        """Return the tasks to look at now, with the version that is known of each."""
        due = {}
        for task_id, readers in self._readers.items():
            if any(reader.due <= now for reader in readers):
                due[task_id] = min(reader.version for reader in readers)
                for reader in readers:
                    reader.put_off(now, self._look_seconds)
        return due

    async def _rest(self, count: int, took: float) -> None:
        """Wait until the next look is due, or somebody joins; longer looks make longer rests."""
        least = FIRST_LOOK_SECONDS
        await asyncio.sleep(least if count <= FEW_TASKS else rest(least, took))
        due = min((r.due for readers in self._readers.values() for r in readers), default=0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._joined.wait()

    def _tell(self, news: Sequence[LoggedEvent]) -> None:
        for event in news:
            # One that joined while this look was under way may lack what others know: the next one
            # begins with what it knows.
            for reader in tuple(self._readers.get(event.stored.task_id, ())):
                if event.stored.version == reader.version + 1:
                    reader.version += 1
                    reader.since = time.monotonic()
                    reader.tell(event)
