"""Looking back at the store in memory."""

from uuid import UUID

from domain.codec import decode_metadata
from domain.log import LogCursor, LogFilter, LoggedEvent, LogPage, StoredEvent
from domain.payloads import PayloadKind
from infrastructure.memory.store import MemoryStore


class MemoryHistory:
    """`domain.ports.HistoryQueries` over a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def events_of(
        self, task_id: UUID, after_version: int, limit: int, tenant: str | None = None
    ) -> list[LoggedEvent]:
        """See `domain.ports.HistoryQueries.events_of`."""
        stream = await self._store.stream(task_id, tenant)
        return [self._logged(stored) for stored in stream[after_version : after_version + limit]]

    async def page(self, after: LogCursor, limit: int, chosen: LogFilter) -> LogPage:
        """See `domain.ports.HistoryQueries.page`."""
        log = await self._store.read(after, sum(map(len, self._store.streams.values())))
        events = [stored for stored in log if _passes(stored, chosen)]
        if len(events) < limit:
            cursor = LogCursor(log[-1].xid, log[-1].position) if log else after
            return LogPage([self._logged(stored) for stored in events], cursor, complete=True)
        last = events[limit - 1]
        cursor = LogCursor(last.xid, last.position)
        return LogPage([self._logged(event) for event in events[:limit]], cursor, complete=False)

    async def outcome(self, task_id: UUID) -> dict[PayloadKind, bytes]:
        """See `domain.ports.HistoryQueries.outcome`."""
        return {
            kind: payload.body
            for kind, payload in self._store.payload_rows.get(task_id, {}).items()
            if kind in {PayloadKind.RESULT, PayloadKind.MEMORY}
        }

    def _logged(self, stored: StoredEvent) -> LoggedEvent:
        return LoggedEvent(stored, frozenset(self._store.payload_rows.get(stored.task_id, {})))


def _passes(stored: StoredEvent, chosen: LogFilter) -> bool:
    metadata = decode_metadata(stored.metadata)
    return (
        (chosen.types is None or stored.type in chosen.types)
        and (chosen.since is None or stored.recorded_at >= chosen.since)
        and (chosen.until is None or stored.recorded_at < chosen.until)
        and chosen.correlation_id in {None, metadata.correlation_id}
        and chosen.tenant in {None, metadata.tenant}
    )
