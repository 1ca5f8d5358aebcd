"""What is handed to the event log and what comes back from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from domain.events import Event
from domain.identifiers import uuid7
from domain.payloads import Payload, PayloadKind


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who and what caused an event.

    Attributes:
        correlation_id: the submission's; the same for every event of a task.
        causation_id: the event this one answers to; `None` for a submission.
        traceparent: W3C trace context of the work that made the event.
        actor: who did it: `api`, `worker/<id>`, `relay`.
        tenant: whose task it is; the same for every event of a task. Empty where there are none.
    """

    correlation_id: str
    traceparent: str
    actor: str
    causation_id: UUID | None = None
    tenant: str = ""

    def followed_by(
        self, actor: str, causation_id: UUID, traceparent: str | None = None
    ) -> "Metadata":
        """Return the metadata of a later event of the same task.

        Args:
            traceparent: of the work that makes that event; `None` for the one of this event.
        """
        return Metadata(
            self.correlation_id,
            self.traceparent if traceparent is None else traceparent,
            actor,
            causation_id,
            self.tenant,
        )


@dataclass(frozen=True, slots=True)
class Append:
    """One event to be added to one task's stream, if the stream is still where it was.

    Attributes:
        expected_version: the task's version before this event; 0 for a new task.
        payloads: rows that the event commits to, stored with it or not at all.
        lease_seconds: how long the claim of a `ProcessingStarted` holds without being renewed.
        event_id: makes a retry after a broken connection recognisable as the same append.
    """

    task_id: UUID
    expected_version: int
    event: Event
    metadata: Metadata
    payloads: tuple[Payload, ...] = ()
    lease_seconds: float | None = None
    event_id: UUID = field(default_factory=uuid7)

    def recorded(self, appended: "Appended") -> "RecordedEvent":
        """Return the event as it is in the log, once it was accepted."""
        return RecordedEvent(
            self.event_id,
            self.task_id,
            appended.version,
            self.event,
            self.metadata,
            appended.recorded_at,
        )


@dataclass(frozen=True, slots=True)
class Appended:
    """The event is in the log, durably. `recorded_at` is the database's time."""

    task_id: UUID
    version: int
    event_id: UUID
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Conflict:
    """The task was not at the expected version; nothing was written for it."""

    task_id: UUID
    expected_version: int
    actual_version: int


AppendResult: TypeAlias = Appended | Conflict


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as its row holds it, before anyone reads a meaning into it.

    Attributes:
        position: drawn from a sequence before the commit, so gaps and late arrivals are normal.
        xid: id of the transaction that wrote it; orders the whole log together with `position`.
        version: 1, 2, 3, … within the task.
        data: JSON text exactly as stored; the hash covers these bytes.
        metadata: JSON text exactly as stored; the hash covers these bytes.
        hash: 32 bytes, see `domain.hashing`.
    """

    position: int
    xid: int
    event_id: UUID
    task_id: UUID
    version: int
    type: str
    schema_version: int
    data: str
    metadata: str
    recorded_at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event of the log with its meaning."""

    event_id: UUID
    task_id: UUID
    version: int
    event: Event
    metadata: Metadata
    recorded_at: datetime


class LogCursor(NamedTuple):
    """A place in the whole log: everything up to and including (xid, position) was read."""

    xid: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A stored event with what is kept beside it.

    Attributes:
        contents: kinds of the task's payload rows that are there today.
        leaf: its number in the Merkle tree, once it is sealed.
    """

    stored: StoredEvent
    contents: frozenset[PayloadKind] = frozenset()
    leaf: int | None = None

    @property
    def cursor(self) -> LogCursor:
        """The place in the whole log of a reader that has come to this event."""
        return LogCursor(self.stored.xid, self.stored.position)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which events of the whole log a reader wants; `None` wants them all.

    Attributes:
        types: names of event types.
        since: earliest `recorded_at`, itself included.
        until: latest `recorded_at`, itself not included.
        correlation_id: the submission's.
        tenant: whose tasks'.
    """

    types: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    correlation_id: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """A piece of the whole log.

    Attributes:
        cursor: where to go on; past events that the filter left out.
        complete: whether everything that can be read now was read.
    """

    events: Sequence[LoggedEvent]
    cursor: LogCursor
    complete: bool


@dataclass(frozen=True, slots=True)
class History:
    """One task's stream with the content that a worker needs to run it.

    Attributes:
        events: versions 1 to n, in order, without a hole.
        payloads: content by kind; a kind is missing when it was never stored or was erased.
    """

    events: tuple[RecordedEvent, ...]
    payloads: Mapping[str, Payload]
