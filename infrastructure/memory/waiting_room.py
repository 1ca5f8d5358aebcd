"""The outbox as plain Python: who waits, whose turn it is, and what was dispatched.

Says what `choose_next.sql`, `record_dispatched.sql`, `release_due.sql`, `dispatched.sql` and
`forget_dispatched.sql` do.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.labels import Labels, turn_of
from domain.ports import OutboxRow, Released


@dataclass(frozen=True, slots=True)
class Place:
    """A row of the outbox, and where in the line it stands.

    Attributes:
        turn_at: see `domain.labels.turn_of`.
        ready_since: when it became pending, or its earliest start where that is later.
        held: its earliest start has not come yet, as far as anybody has looked.
    """

    row: OutboxRow
    tenant: str
    turn_at: datetime
    ready_since: datetime
    held: bool


@dataclass(slots=True)
class WaitingRoom:
    """Every pending task, by its id."""

    places: dict[UUID, Place] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    last_row_id: int = 0
    last_number: int = 0

    def add(self, row: OutboxRow, tenant: str, labels: Labels, waiting_since: datetime) -> None:
        """Let a task wait; its row gets the next id."""
        self.last_row_id += 1
        not_before = labels.not_before
        self.places[row.task_id] = Place(
            replace(row, row_id=self.last_row_id),
            tenant,
            turn_of(labels, waiting_since),
            waiting_since if not_before is None else max(waiting_since, not_before),
            held=not_before is not None and not_before > waiting_since,
        )

    def leave(self, task_id: UUID, *, claimed: bool) -> None:
        """A task waits no more, or as another row; one that is not claimed is withdrawn."""
        place = self.places.pop(task_id, None)
        if place is not None and not claimed:
            self._withdraw(place.row)

    def choose(self, window: int, processing: Mapping[str, int]) -> list[OutboxRow]:
        """Return what is published next, in order.

        Args:
            processing: how many tasks of each tenant workers have claimed.
        """
        dispatched = [place for place in self.places.values() if place.row.dispatch_number]
        room = window - len(dispatched)
        lines = self._lines()
        if room <= 0 or not lines:
            return []
        in_flight = Counter(processing) + Counter(place.tenant for place in dispatched)
        level = _level(room, sorted(in_flight[tenant] for tenant in lines))
        chosen = [
            (in_flight[tenant] + place_in_line, place.ready_since, place.row.row_id, place.row)
            for tenant, line in lines.items()
            for place_in_line, place in enumerate(line[: max(0, level - in_flight[tenant])], 1)
        ]
        return [row for *_, row in sorted(chosen)[:room]]

    def record(self, rows: Sequence[OutboxRow]) -> int:
        """Number rows whose messages were confirmed; returns how many still waited."""
        count = 0
        for row in rows:
            place = self.places.get(row.task_id)
            if place is None or place.row != replace(row, dispatch_number=None):
                continue
            self.last_number += 1
            count += 1
            self._put(place, self.last_number)
        return count

    def forget(self, numbers: Sequence[int] | None) -> int:
        """Make dispatched rows wait again; returns how many."""
        lost = [
            place
            for place in self.places.values()
            if (number := place.row.dispatch_number) is not None
            and (numbers is None or number in numbers)
        ]
        for place in lost:
            self._withdraw(place.row)
            self._put(place, None)
        return len(lost)

    def release(self, now: datetime) -> Released:
        """Let tasks be chosen whose earliest start has come."""
        held = sorted(
            (place for place in self.places.values() if place.held),
            key=lambda place: place.ready_since,
        )
        due = [place for place in held if place.ready_since <= now]
        for place in due:
            self.places[place.row.task_id] = replace(place, held=False)
        rest = held[len(due) :]
        wait = (rest[0].ready_since - now) / timedelta(seconds=1) if rest else None
        return Released(len(due), wait)

    def numbers(self) -> list[int]:
        """Return the dispatch numbers that nobody has claimed, ascending."""
        numbers = sorted(place.row.dispatch_number or 0 for place in self.places.values())
        numbers = [number for number in numbers if number]
        oldest = min(numbers, default=self.last_number)
        self.withdrawn = {number for number in self.withdrawn if number >= oldest}
        return numbers

    def _lines(self) -> dict[str, list[Place]]:
        lines: dict[str, list[Place]] = {}
        for place in sorted(self._waiting(), key=lambda place: (place.turn_at, place.row.row_id)):
            lines.setdefault(place.tenant, []).append(place)
        return lines

    def _waiting(self) -> Iterator[Place]:
        for place in self.places.values():
            if place.row.dispatch_number is None and not place.held:
                yield place

    def _put(self, place: Place, number: int | None) -> None:
        row = replace(place.row, dispatch_number=number)
        self.places[row.task_id] = replace(place, row=row)

    def _withdraw(self, row: OutboxRow) -> None:
        if row.dispatch_number is not None:
            self.withdrawn.add(row.dispatch_number)


def _level(room: int, in_flight: Sequence[int]) -> int:
    """Return up to how many in flight each tenant is filled, so that it takes all the room.

    Args:
        in_flight: how many each waiting tenant has, ascending.
    """
    total, levels = 0, []
    for count, each in enumerate(in_flight, 1):
        total += each
        levels.append((room + total) / count)
    return math.ceil(min(levels))
