"""What was done to a stream that is not intact.

The hash of each event is kept twice: in its row, and in its leaf once it is sealed. An event can
be held against both, and against both hashes of its predecessor, so that one change is not taken
for two: where only one event was altered, only that one is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.contents import commitments_in
from domain.errors import InvalidEvent
from domain.events import TaskErased
from domain.hashing import GENESIS
from domain.payloads import Commitment, PayloadKind
from infrastructure.postgres.audit import AuditedEvent, Head, SealedEvent
from service.audit.findings import Finding, Kind

_ERASURE = TaskErased.__name__.encode()


@dataclass(frozen=True, slots=True)
class Stream:
    """All that there is of one task.

    Attributes:
        leaves: by version.
        contents: commitments to what the payload rows hold, by kind.
    """

    task_id: UUID
    events: Sequence[AuditedEvent]
    leaves: Mapping[int, SealedEvent]
    head: Head | None
    contents: Mapping[str, Commitment]


def diagnose(stream: Stream) -> Iterator[Finding]:
    """Yield what is wrong with a stream, version by version."""
    examination = _Examination(stream)
    yield from examination.events()
    yield from examination.tail()
    yield from examination.head()
    yield from examination.contents()


class _Examination:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._versions_by_hash = {leaf.hash: each for each, leaf in stream.leaves.items()}
        self._last = 0
        self._tail_is_missing = False
        self._doubtful = False
        self._unexplained = dict(stream.contents)
        last = stream.events[-1] if stream.events else None
        self._erased_by = number(last.version) if last and is_erasure(last) else None

    def events(self) -> Iterator[Finding]:
        """Yield what is wrong with the events that are there, and which ones are not."""
        before: AuditedEvent | None = None
        believed_until = b""
        for event in self._stream.events:
            version = number(event.version)
            yield from self._missing(self._last + 1, version - 1)
            verdict = self._verdict(event, version, before)
            if verdict is not None:
                self._doubtful = True
                yield self._finding(*verdict, version)
            else:
                if event.recorded_at < believed_until:
                    what = f"it was recorded before version {self._last}"
                    yield self._finding(Kind.OUT_OF_ORDER, what, version)
                believed_until = event.recorded_at
                yield from self._said(event, version)
            before, self._last = event, version

    def tail(self) -> Iterator[Finding]:
        """Yield the sealed events that should follow the last one."""
        for version in sorted(self._stream.leaves):
            if version > self._last:
                self._tail_is_missing = True
                yield from self._missing(version, version)

    def head(self) -> Iterator[Finding]:
        """Yield how the projection differs from the last event."""
        head = self._stream.head
        if head is None:
            if self._stream.events:
                yield self._finding(Kind.PROJECTION, "it has no row in tasks")
        elif head.version > self._last:
            if not self._tail_is_missing:
                yield self._finding(
                    Kind.MISSING,
                    f"its row in tasks is at version {head.version}, and the log ends with "
                    f"version {self._last}",
                    head.version,
                )
        elif head.version < self._last:
            yield self._finding(
                Kind.PROJECTION,
                f"its row in tasks is at version {head.version}, and the log at {self._last}",
            )
        elif head.hash not in self._hashes_of(self._last):
            yield self._finding(
                Kind.PROJECTION,
                f"the head hash in its row in tasks is not that of version {self._last}",
            )

    def contents(self) -> Iterator[Finding]:
        """Yield the payload rows that no event speaks of, if all events are as they were."""
        if self._doubtful:
            return
        for kind in sorted(self._unexplained):
            yield self._finding(
                Kind.FOREIGN_PAYLOAD, f"there is a {kind} payload that no event commits to"
            )

    def _verdict(
        self, event: AuditedEvent, version: int, before: AuditedEvent | None
    ) -> tuple[Kind, str] | None:
        computed = [event.hash_after(previous) for previous in self._previous(version, before)]
        leaf = self._stream.leaves.get(version)
        if leaf is None:
            return self._verdict_unsealed(event, version, computed)
        return self._verdict_sealed(event, leaf, computed)

    def _verdict_sealed(
        self, event: AuditedEvent, leaf: SealedEvent, computed: Sequence[bytes]
    ) -> tuple[Kind, str] | None:
        number = leaf.leaf
        if leaf.hash == event.hash:
            if event.hash in computed or not computed:
                return None
            return Kind.ALTERED, (
                f"its content is not what its hash, sealed as leaf {number}, was made from"
            )
        if leaf.hash in computed:
            return Kind.CHANGED_HASH, (
                f"its content is what was sealed as leaf {number}, its hash is not"
            )
        other = self._versions_by_hash.get(event.hash)
        if other is not None:
            moved = self._stream.leaves[other].leaf
            return Kind.MOVED, f"here is what was sealed as version {other}, leaf {moved}"
        if event.hash not in computed:
            return Kind.ALTERED, f"neither content nor hash is what was sealed as leaf {number}"
        return Kind.REWRITTEN, (
            f"it, hash included, or else leaf {number} was rewritten after it was sealed"
        )

    def _verdict_unsealed(
        self, event: AuditedEvent, version: int, computed: Sequence[bytes]
    ) -> tuple[Kind, str] | None:
        if event.in_sealed_part:
            return Kind.INSERTED, (
                "it has no leaf, and the log is sealed past it: it was inserted, or its leaf "
                "was removed"
            )
        if computed and event.hash not in computed:
            return Kind.ALTERED, (
                "its hash does not follow from its content"
                if version == 1
                else f"its hash does not follow from its content and version {version - 1}: "
                "one of the two was altered"
            )
        return None

    def _previous(self, version: int, before: AuditedEvent | None) -> set[bytes]:
        """Return the hashes that an event may have followed; none if they are lost."""
        if version == 1:
            return {GENESIS}
        hashes = {leaf.hash for leaf in [self._stream.leaves.get(version - 1)] if leaf}
        if before is not None and number(before.version) == version - 1:
            hashes.add(before.hash)
        return hashes

    def _hashes_of(self, version: int) -> set[bytes]:
        hashes = {event.hash for event in self._stream.events[-1:]}
        return hashes | {leaf.hash for leaf in [self._stream.leaves.get(version)] if leaf}

    def _missing(self, first: int, last: int) -> Iterator[Finding]:
        if first > last:
            return
        self._doubtful = True
        leaves = [
            str(leaf.leaf)
            for version, leaf in sorted(self._stream.leaves.items())
            if first <= version <= last
        ]
        what = "it is" if first == last else f"versions {first} to {last} are"
        sealed = f"; sealed as leaf {', '.join(leaves)}" if leaves else ""
        yield self._finding(Kind.MISSING, f"{what} not in the log{sealed}", first)

    def _said(self, event: AuditedEvent, version: int) -> Iterator[Finding]:
        """Yield which contents are not those that an event speaks of."""
        try:
            said = commitments_of(event)
        except InvalidEvent as error:
            self._doubtful = True
            yield self._finding(Kind.UNREADABLE, str(error), version)
            return
        for kind, commitment in said.items():
            kept = self._unexplained.pop(kind, None)
            if kept is not None and self._erased_by is not None:
                what = f"there is a {kind} payload, which version {self._erased_by} erased"
                yield self._finding(Kind.FOREIGN_PAYLOAD, what, version)
            elif kept is not None and kept != commitment:
                what = f"the {kind} payload is not the one it commits to"
                yield self._finding(Kind.PAYLOAD, what, version)

    def _finding(self, kind: Kind, what: str, version: int | None = None) -> Finding:
        return Finding(kind, what, self._stream.task_id, version)


def commitments_of(event: AuditedEvent) -> Mapping[PayloadKind, Commitment]:
    """Return what an event says of the contents kept beside it; raises `InvalidEvent`."""
    try:
        return commitments_in(
            event.type.decode(), number(event.schema_version), event.data.decode()
        )
    except RecursionError:
        raise InvalidEvent("its data is nested too deeply") from None


def is_erasure(event: AuditedEvent) -> bool:
    """Tell whether an event says that the contents of its task were removed."""
    return event.type == _ERASURE


def number(encoded: bytes) -> int:
    """Return the integer in a field."""
    return int.from_bytes(encoded, "big", signed=True)
