"""What is new in the store in memory."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.log import LogCursor, LoggedEvent, StoredEvent
from infrastructure.memory.store import MemoryStore


class MemoryLive:
    """`domain.live.LiveQueries` over a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def tip(self) -> LogCursor:
        """See `domain.live.LiveQueries.tip`."""
        return max(
            (
                LogCursor(event.xid, event.position)
                for stream in self._store.streams.values()
                for event in stream
            ),
            default=LogCursor(),
        )

    async def follow(self, after: LogCursor, limit: int) -> Sequence[LoggedEvent]:
        """See `domain.live.LiveQueries.follow`."""
        return [self._logged(stored) for stored in await self._store.read(after, limit)]

    async def news(self, known: Mapping[UUID, int], limit: int) -> Sequence[LoggedEvent]:
        """See `domain.live.LiveQueries.news`."""
        found = [
            self._logged(stored)
            for task_id, version in sorted(known.items())
            for stored in self._store.streams.get(task_id, [])[version:]
        ]
        return found[:limit]

    def _logged(self, stored: StoredEvent) -> LoggedEvent:
        return LoggedEvent(stored, frozenset(self._store.payload_rows.get(stored.task_id, {})))
