"""Who waits for news of which task: one statement a look for all of them.

A look asks for what has happened to every task that is waited for, above the version known of it.
It runs while somebody waits and not otherwise. One task's events become visible in their order, so
none of this has to wait for other transactions, as readers of the whole log do.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from domain.errors import StoreUnavailable
from domain.live import LiveQueries
from domain.log import LoggedEvent
from infrastructure.backoff import Backoff
from infrastructure.supervision import supervised
from service.api.live.pace import rest

LOOK_SECONDS = 0.02
MOST_AT_A_TIME = 1_000

Told = Callable[[LoggedEvent], None]

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Waiting:
    """One reader that waits for one task.

    Attributes:
        version: the highest that the reader knows.
        tell: called with each event above it, in order.
    """

    task_id: UUID
    version: int
    tell: Told


class TaskNews:
    """Tells readers what happens to their tasks.

    Args:
        look_seconds: shortest time between two looks.
    """

    def __init__(self, queries: LiveQueries, look_seconds: float = LOOK_SECONDS) -> None:
        self._queries = queries
        self._look_seconds = look_seconds
        self._readers: dict[UUID, list[Waiting]] = {}
        self._running: asyncio.Task[None] | None = None

    @property
    def looking(self) -> bool:
        """Whether the database is asked now and then."""
        return self._running is not None

    def join(self, task_id: UUID, version: int, tell: Told) -> Waiting:
        """Begin to tell a reader what happens to a task above a version; `leave` must follow."""
        reader = Waiting(task_id, version, tell)
        self._readers.setdefault(task_id, []).append(reader)
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
            began = time.monotonic()
            try:
                news = await self._queries.news(self._known(), MOST_AT_A_TIME)
            except StoreUnavailable as error:
                if not away:
                    log.warning("Cannot look for news of tasks", reason=str(error))
                away = True
                await asyncio.sleep(backoff.next())
                continue
            away = False
            backoff.reset()
            self._tell(news)
            await asyncio.sleep(rest(self._look_seconds, time.monotonic() - began))
        self._running = None

    def _known(self) -> dict[UUID, int]:
        return {
            task_id: min(reader.version for reader in readers)
            for task_id, readers in self._readers.items()
        }

    def _tell(self, news: Sequence[LoggedEvent]) -> None:
        for event in news:
            # One that joined while this look was under way may lack what others know: the next one
            # begins with what it knows.
            for reader in tuple(self._readers.get(event.stored.task_id, ())):
                if event.stored.version == reader.version + 1:
                    reader.version += 1
                    reader.tell(event)
