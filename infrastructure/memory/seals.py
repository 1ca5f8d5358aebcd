"""Leaves and checkpoints as plain Python."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.log import LogCursor
from domain.merkle import Node, peaks
from domain.seals import Leaf, LoggedHash, SealedLog, StoredCheckpoint, frontier_from
from infrastructure.memory.store import MemoryStore


@dataclass(slots=True)
class MemorySeals:
    """`domain.seals.Seals` of a log in memory."""

    store: MemoryStore
    leaves: list[Leaf] = field(default_factory=list)
    notes: dict[int, StoredCheckpoint] = field(default_factory=dict)

    async def state(self) -> SealedLog:
        """See `domain.seals.Seals.state`."""
        size = len(self.leaves)
        frontier = frontier_from(size, await self.hashes(peaks(size)))
        if not self.leaves:
            return SealedLog(frontier, LogCursor())
        last = self.leaves[-1]
        event = self.store.streams[last.task_id][last.version - 1]
        return SealedLog(frontier, LogCursor(event.xid, event.position))

    async def read(self, after: LogCursor, limit: int) -> list[LoggedHash]:
        """See `domain.seals.Seals.read`."""
        sealed = {(leaf.task_id, leaf.version) for leaf in self.leaves}
        now = self.store.clock()
        return [
            LoggedHash(
                LogCursor(event.xid, event.position),
                event.task_id,
                event.version,
                event.hash,
                (now - event.recorded_at).total_seconds(),
                (event.task_id, event.version) in sealed,
            )
            for event in await self.store.read(after, limit)
        ]

    async def lag(self, after: LogCursor) -> float:
        """See `domain.seals.Seals.lag`."""
        first = await self.read(after, 1)
        return max(0.0, first[0].age_seconds) if first else 0.0

    async def add_leaves(self, leaves: Sequence[Leaf]) -> bool:
        """See `domain.seals.Seals.add_leaves`."""
        if leaves[0].number != len(self.leaves):
            return False
        self.leaves += leaves
        return True

    async def add_checkpoint(self, size: int, root: bytes, note: str) -> None:
        """See `domain.seals.Seals.add_checkpoint`."""
        self.notes.setdefault(size, StoredCheckpoint(size, root, note, self.store.clock()))

    async def latest_checkpoint(self) -> StoredCheckpoint | None:
        """See `domain.seals.Seals.latest_checkpoint`."""
        return self.notes[max(self.notes)] if self.notes else None

    async def checkpoints(self, after_size: int, limit: int) -> list[StoredCheckpoint]:
        """See `domain.seals.Seals.checkpoints`."""
        return [self.notes[size] for size in sorted(self.notes) if size > after_size][:limit]

    async def leaves_of(self, task_id: UUID) -> list[Leaf]:
        """See `domain.seals.Seals.leaves_of`."""
        leaves = [leaf for leaf in self.leaves if leaf.task_id == task_id]
        return sorted(leaves, key=lambda leaf: leaf.version)

    async def hashes(self, nodes: Collection[Node]) -> dict[Node, bytes]:
        """See `domain.seals.Seals.hashes`."""
        return {
            node: self.leaves[node.completed_by].node_hash(node.level)
            for node in nodes
            if node.completed_by < len(self.leaves)
        }
