"""The store in memory, watched: it tells what must not have happened as soon as it does."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.log import Append, Appended, AppendResult
from infrastructure.memory.store import MemoryStore


@dataclass(slots=True)
class WatchedStore(MemoryStore):
    """A `MemoryStore` that takes note of leases.

    Attributes:
        ran_out: the attempts whose lease was seen to have run out.
        wrongs: attempts that were given up although their lease never had.
    """

    ran_out: set[tuple[UUID, int]] = field(default_factory=set)
    wrongs: list[str] = field(default_factory=list)

    @property
    def at_rest(self) -> bool:
        """Whether no task waits and none runs."""
        return not self._room.places and not self._leases

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        self._look()
        results = await MemoryStore.append(self, appends)
        for append, result in zip(appends, results, strict=True):
            if isinstance(result, Appended) and append.metadata.actor == "relay":
                attempt = getattr(append.event, "attempt", 0)
                if (append.task_id, attempt) not in self.ran_out:
                    self.wrongs.append(
                        f"attempt {attempt} of {append.task_id} was given up with a live lease"
                    )
        return results

    async def renew(self, worker_id: str, task_ids: Collection[UUID], seconds: float) -> set[UUID]:
        self._look()
        return await MemoryStore.renew(self, worker_id, task_ids, seconds)

    def _look(self) -> None:
        now = self.clock()
        self.ran_out.update(
            (task_id, lease.attempt)
            for task_id, lease in self._leases.items()
            if lease.expires_at < now
        )
