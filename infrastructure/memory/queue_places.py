"""How tasks stand in the line of the store in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from domain.codec import recorded
from domain.events import ProcessingStarted
from domain.waiting import RATE_SECONDS, QueuePlace
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.waiting_room import Place


class MemoryQueue:
    """`domain.waiting.QueueQueries` over a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def place(self, task_id: UUID, tenant: str | None = None) -> QueuePlace | None:
        """See `domain.waiting.QueueQueries.place`."""
        view = await self._store.view(task_id, tenant)
        if view is None:
            return None
        now = self._store.clock()
        paused = await self._store.paused() is not None
        starts, own_starts = self._starts(now, view.tenant)
        place = self._store.room.places.get(task_id)
        if place is None:
            return QueuePlace(task_id, view.status, now, view.submitted_at)
        sent, waiting = self._ahead(place)
        return QueuePlace(
            task_id,
            view.status,
            now,
            place.ready_since,
            sent=place.row.dispatch_number is not None,
            own_ahead=sum(each.tenant == place.tenant for each in [*sent, *waiting]),
            sent_ahead=len(sent),
            lines=max(1, len({each.tenant for each in self._waiting()})),
            starts=starts,
            own_starts=own_starts,
            paused=paused,
            working=self._store.working,
        )

    def _ahead(self, place: Place) -> tuple[Sequence[Place], Sequence[Place]]:
        """Return what is with the broker, and what waits in its tenant's line, and goes first."""
        number = place.row.dispatch_number
        sent = [
            each
            for each in self._store.room.places.values()
            if each.row.dispatch_number is not None
            and (number is None or each.row.dispatch_number < number)
        ]
        if number is not None:
            return sent, []
        turn = (place.turn_at, place.row.row_id)
        return sent, [
            each
            for each in self._waiting()
            if each.tenant == place.tenant and (each.turn_at, each.row.row_id) < turn
        ]

    def _waiting(self) -> list[Place]:
        return [
            each
            for each in self._store.room.places.values()
            if each.row.dispatch_number is None and not each.held
        ]

    def _starts(self, now: datetime, tenant: str) -> tuple[float, float]:
        """Return how many tasks a second began lately: of all tenants, and of one."""
        since = now - timedelta(seconds=RATE_SECONDS)
        events = [
            event
            for stream in self._store.streams.values()
            for event in map(recorded, stream)
            if event.recorded_at > since
        ]
        if not events:
            return 0.0, 0.0
        first = min(event.recorded_at for event in events)
        seconds = max(1.0, (now - first).total_seconds())
        begun = [event for event in events if isinstance(event.event, ProcessingStarted)]
        own = [event for event in begun if event.metadata.tenant == tenant]
        return len(begun) / seconds, len(own) / seconds
