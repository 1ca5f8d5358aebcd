"""What seals the log: leaf numbers, the Merkle tree over them, and signed checkpoints.

Events are sealed behind the appends, in the order in which the whole log is read. The leaf of an
event is its hash, which covers the event and through the previous hash its whole past.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.errors import LogForked
from domain.log import LogCursor
from domain.merkle import Frontier, Node, leaf_hash, levels_completed, peaks
from domain.payloads import Payload

HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class LoggedHash:
    """An event as the sealer needs it.

    Attributes:
        age_seconds: how long ago it was recorded, by the database's clock.
        sealed: whether it has a leaf already; it keeps that one.
    """

    cursor: LogCursor
    task_id: UUID
    version: int
    hash: bytes
    age_seconds: float
    sealed: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """The place of one event in the tree.

    Attributes:
        number: 0, 1, 2, … without a hole.
        event_hash: the event's hash when it was sealed.
        subtrees: hashes of the perfect subtrees that this leaf completes, level 1 upwards, one
            after the other; empty for every even number.
    """

    number: int
    task_id: UUID
    version: int
    event_hash: bytes
    subtrees: bytes

    @classmethod
    def grown(cls, frontier: Frontier, event: LoggedHash) -> "Leaf":
        """Add an event to the tree; returns its leaf."""
        number = frontier.size
        completed = frontier.add(leaf_hash(event.hash))
        return cls(number, event.task_id, event.version, event.hash, b"".join(completed))

    def node_hash(self, level: int) -> bytes:
        """Return the hash of a subtree that this leaf completes; raises `ValueError` for others."""
        if level == 0:
            return leaf_hash(self.event_hash)
        if not level <= levels_completed(self.number):
            raise ValueError(f"leaf {self.number} completes no subtree of level {level}")
        return self.subtrees[HASH_BYTES * (level - 1) : HASH_BYTES * level]


@dataclass(frozen=True, slots=True)
class SealedLog:
    """How far the log is sealed.

    Attributes:
        frontier: the tree over all leaves.
        cursor: place in the log of the last sealed event.
    """

    frontier: Frontier
    cursor: LogCursor


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A row of the checkpoints: the signed note, and what it says in columns."""

    size: int
    root: bytes
    note: str
    sealed_at: datetime


def frontier_from(size: int, hashes: Mapping[Node, bytes]) -> Frontier:
    """Put together the frontier of a tree that was stored.

    Args:
        hashes: of its peaks.

    Raises:
        LogForked: a leaf that was stored is no longer there.
    """
    nodes = peaks(size)
    for node in nodes:
        if node not in hashes:
            raise LogForked(f"leaf {node.completed_by} is missing in a tree of {size} leaves")
    return Frontier(size, [hashes[node] for node in nodes])


class Seals(Protocol):
    """Leaves and checkpoints; both only grow. Every method may raise `StoreUnavailable`."""

    async def state(self) -> SealedLog:
        """Return how far the log is sealed; raises `LogForked` if leaves are missing."""
        ...

    async def read(self, after: LogCursor, limit: int) -> list[LoggedHash]:
        """Return the next events of the whole log after a cursor, never skipping one."""
        ...

    async def lag(self, after: LogCursor) -> float:
        """Return how many seconds ago the first event after a cursor was recorded; 0 for none.

        Counts the events, too, that `read` holds back because of an open transaction.
        """
        ...

    async def add_leaves(self, leaves: Sequence[Leaf]) -> bool:
        """Store leaves that follow the last one; `False` if another sealer was faster."""
        ...

    async def add_checkpoint(self, size: int, root: bytes, note: str) -> None:
        """Store a checkpoint; one of this size that exists already stays as it is."""
        ...

    async def latest_checkpoint(self) -> StoredCheckpoint | None:
        """Return the checkpoint of the largest size."""
        ...

    async def checkpoints(self, after_size: int, limit: int) -> list[StoredCheckpoint]:
        """Return checkpoints of larger sizes than this, by size."""
        ...

    async def leaves_of(self, task_id: UUID) -> list[Leaf]:
        """Return the leaves of one task's events, by version."""
        ...

    async def hashes(self, nodes: Collection[Node]) -> dict[Node, bytes]:
        """Return the hashes of perfect subtrees; those that are not complete are missing."""
        ...


class Contents(Protocol):
    """The payload rows, as those who check commitments need them."""

    async def of(self, task_id: UUID) -> list[Payload]:
        """Return a task's payloads by kind, as far as they are there; raises `StoreUnavailable`."""
        ...
