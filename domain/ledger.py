"""Follows a log line by line while it is exported or imported, and refuses what does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.checkpoint import parse_note
from domain.codec import decode, decode_metadata
from domain.contents import commitments
from domain.errors import InvalidCheckpoint, InvalidEvent, InvalidExport
from domain.exports import ExportedPayload
from domain.hashing import GENESIS, event_hash
from domain.log import LogCursor, LoggedEvent, StoredEvent
from domain.merkle import Frontier
from domain.payloads import Commitment, PayloadKind
from domain.seals import Leaf, LoggedHash, StoredCheckpoint


@dataclass(frozen=True, slots=True)
class Last:
    """The last event of a task so far."""

    version: int
    hash: bytes
    recorded_at: datetime


@dataclass(slots=True)
class Ledger:
    """What was seen of a log.

    Args:
        sealed: so many events come first and carry their leaf.

    Attributes:
        events, payloads, checkpoints: lines of each sort.
        frontier: the tree over the leaves so far.
    """

    sealed: int
    events: int = 0
    payloads: int = 0
    checkpoints: int = 0
    frontier: Frontier = field(default_factory=Frontier.empty)
    _task_id: UUID | None = None
    _expected: Mapping[PayloadKind, Commitment] = field(default_factory=dict)

    def event(self, logged: LoggedEvent, last: Last | None) -> Leaf | None:
        """Take an event; returns its leaf if it is sealed.

        Args:
            last: the event before it in its task; `None` for the first one.

        Raises:
            InvalidExport: it does not follow what came before, or is of no known type.
        """
        stored = logged.stored
        _check_chain(stored, last)
        try:
            event = decode(stored.type, stored.schema_version, stored.data)
            decode_metadata(stored.metadata)
        except InvalidEvent as error:
            raise _refusal(stored, str(error)) from error
        leaf = self._leaf(logged)
        self.events += 1
        self._task_id = stored.task_id
        self._expected = dict(commitments(event))
        return leaf

    def payload(self, line: ExportedPayload) -> None:
        """Take a payload row, which must be what the event before it committed to.

        Raises:
            InvalidExport: it is not.
        """
        kind = line.payload.kind
        if line.task_id != self._task_id or kind not in self._expected:
            raise InvalidExport(f"task {line.task_id}: no event before it commits to this {kind}")
        if not line.payload.matches(self._expected[kind]):
            raise InvalidExport(f"task {line.task_id}: the {kind} is not what its event commits to")
        self._expected = {
            other: commitment for other, commitment in self._expected.items() if other != kind
        }
        self.payloads += 1

    def checkpoint(self, row: StoredCheckpoint) -> None:
        """Take a checkpoint, which must be over the tree so far.

        Raises:
            InvalidExport: it is over another tree. Whose signature it bears is not looked at.
        """
        name = f"the checkpoint of size {row.size}"
        if row.size != self.frontier.size:
            raise InvalidExport(f"{name} stands behind {self.frontier.size} sealed events")
        if row.root != self.frontier.root():
            raise InvalidExport(f"{name} was signed over other events than those before it")
        try:
            signed = parse_note(row.note).checkpoint
        except InvalidCheckpoint as error:
            raise InvalidExport(f"{name} cannot be read: {error}") from error
        if (signed.size, signed.root) != (row.size, row.root):
            raise InvalidExport(f"{name} is not what its note says")
        self.checkpoints += 1

    def _leaf(self, logged: LoggedEvent) -> Leaf | None:
        stored, size = logged.stored, self.frontier.size
        if self.events >= self.sealed:
            if logged.leaf is not None:
                raise _refusal(stored, f"it is leaf {logged.leaf} of a tree of {size}")
            return None
        if logged.leaf != size:
            raise _refusal(stored, f"it should be leaf {size} and is {logged.leaf}")
        hashed = LoggedHash(
            LogCursor(), stored.task_id, stored.version, stored.hash, age_seconds=0.0, sealed=False
        )
        return Leaf.grown(self.frontier, hashed)


def _check_chain(stored: StoredEvent, last: Last | None) -> None:
    before = 0 if last is None else last.version
    if stored.version != before + 1:
        raise _refusal(stored, f"it follows version {before}")
    if event_hash(GENESIS if last is None else last.hash, stored) != stored.hash:
        raise _refusal(stored, "it, or the event before it, is not what its hash was made from")
    if last is not None and stored.recorded_at < last.recorded_at:
        raise _refusal(stored, "it was recorded before the event that it follows")


def _refusal(stored: StoredEvent, why: str) -> InvalidExport:
    return InvalidExport(f"task {stored.task_id}, version {stored.version}: {why}")
