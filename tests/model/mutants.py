"""The protocol with one rule removed: what the model has to find.

Each mutant patches the code for as long as its context lasts; the code itself has no such switch.
"""

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from unittest import mock
from uuid import UUID

from domain.log import Append, AppendResult, Conflict, StoredEvent
from domain.ports import Dispatched
from infrastructure.memory.store import MemoryStore
from relay import reaper
from relay.loss import LossDetector
from service.worker.intake import Held, Intake
from tests.model.database import DatabaseClient
from tests.model.loop import current
from tests.model.schedule import Fault, Schedule, run


def without_compare_and_set() -> AbstractContextManager[object]:
    """Appends are stored whatever version they expect."""
    original = MemoryStore._append

    def append(
        self: MemoryStore, append: Append, xid: int, encoded: tuple[str, int, str], metadata: str
    ) -> AppendResult:
        result = original(self, append, xid, encoded, metadata)
        if isinstance(result, Conflict) and append.expected_version > 0:
            forced = replace(append, expected_version=result.actual_version)
            return original(self, forced, xid, encoded, metadata)
        return result

    return mock.patch.object(MemoryStore, "_append", append)


def without_event_ids() -> AbstractContextManager[object]:
    """An append that is sent again is not recognised."""

    def lost(_: MemoryStore, append: Append, stream: list[StoredEvent]) -> AppendResult:
        return Conflict(append.task_id, append.expected_version, len(stream))

    return mock.patch.object(MemoryStore, "_lost", lost)


def without_redispatch() -> AbstractContextManager[object]:
    """Nobody looks for messages that the broker has lost."""
    return mock.patch.object(LossDetector, "observe", return_value=[])


@contextlib.contextmanager
def acknowledged_before_the_claim() -> Iterator[None]:
    """Messages are acknowledged as they are taken, and nobody looks for those that are lost."""
    original = Intake.take

    def take(self: Intake) -> list[Held]:
        taken = original(self)
        self._acks += [held.delivery for held in taken]
        self.adjust()
        return taken

    def forget(self: Intake, taken: Sequence[Held]) -> None:
        self._taken -= len(taken)
        self.adjust()

    with (
        mock.patch.object(Intake, "take", take),
        mock.patch.object(Intake, "settle", forget),
        mock.patch.object(Intake, "put_back", forget),
        without_redispatch(),
    ):
        yield


def without_grace() -> AbstractContextManager[object]:
    """The reaper does not wait after the database was away."""
    return mock.patch.object(reaper, "GRACE_LEASES", 0)


def leases_by_the_workers_clock() -> AbstractContextManager[object]:
    """A lease ends by the wall clock of the worker that renews it."""
    original = DatabaseClient.renew

    async def renew(
        self: DatabaseClient, worker_id: str, task_ids: Collection[UUID], seconds: float
    ) -> set[UUID]:
        return await original(self, worker_id, task_ids, seconds + current().clock_offset)

    return mock.patch.object(DatabaseClient, "renew", renew)


def redispatch_by_age() -> AbstractContextManager[object]:
    """Whatever was dispatched longer ago than the patience lasts is sent again."""

    def observe(
        self: LossDetector, dispatched: Dispatched, _ready: int | None, now: float
    ) -> list[int]:
        seen: dict[int, float] = self.__dict__.setdefault("seen", {})
        for number in dispatched.numbers:
            seen.setdefault(number, now)
        return [number for number in dispatched.numbers if now - seen[number] > self._patience]

    return mock.patch.object(LossDetector, "observe", observe)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A removed rule.

    Attributes:
        remove: removes it for as long as the context lasts.
        faults: what has to happen for the rule to be missed, in some of all interleavings.
        shows: what the model then says.
        clock_offset: see `Schedule`.
    """

    remove: Callable[[], AbstractContextManager[object]]
    faults: tuple[Fault, ...]
    shows: str
    clock_offset: float = 0.0

    def found_by(self, schedule: Schedule) -> bool:
        """Run a schedule without the rule; tells whether that is seen."""
        with self.remove():
            return any(re.search(self.shows, wrong) for wrong in run(schedule))

    def schedule(self, seed: int) -> Schedule:
        """Return a schedule that may show it."""
        return Schedule(seed, 4, self.clock_offset, self.faults)


_FREEZES = (
    Fault("freeze", "worker-1", after=0.5, seconds=12.0),
    Fault("freeze", "worker-2", after=3.0, seconds=12.0),
)
_KILLS = tuple(
    Fault("kill", f"worker-{1 + number % 2}", after=0.3, seconds=0.5, steps=20 + number)
    for number in range(8)
)
_BREAKS = (Fault("database connections break", after=0.2),) * 6
_OUTAGES = (
    Fault("database away", after=0.5, seconds=4.0),
    Fault("database away", after=6.0, seconds=4.0),
)

MUTANTS: Mapping[str, Mutant] = {
    "the compare-and-set of the append": Mutant(
        without_compare_and_set, _FREEZES, "counts and is stale"
    ),
    "event ids that make a repeated append known": Mutant(
        without_event_ids, _BREAKS, "attempts were lost"
    ),
    "the search for lost messages": Mutant(
        without_redispatch, (Fault("queue purged", after=0.5),), "has 0 terminal events"
    ),
    "acknowledging after the claim, and that search": Mutant(
        acknowledged_before_the_claim, _KILLS, "has 0 terminal events"
    ),
    "the grace after the database was away": Mutant(without_grace, _OUTAGES, "attempts were lost"),
    "the database's clock for leases": Mutant(
        leases_by_the_workers_clock,
        (Fault("drain", "api-1", after=2.0),),
        "attempts were lost",
        clock_offset=-3600.0,
    ),
}
