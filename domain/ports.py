"""What the domain needs from the world, as Protocols. Adapters implement them; twins in
`infrastructure.memory` implement them too, and one conformance suite runs against both.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.events import TaskSubmitted
from domain.labels import NO_LABELS, Labels
from domain.log import (
    Append,
    AppendResult,
    History,
    LogCursor,
    LogFilter,
    LoggedEvent,
    LogPage,
    StoredEvent,
)
from domain.payloads import PayloadKind
from domain.projection import Reproduction, StatusEntry
from domain.status import Status

SHOWN_REPRODUCTIONS = 20
"""A task's answer shows so many of the comparisons of its result; its history shows all."""


class EventLog(Protocol):
    """The append-only log of all tasks."""

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        """Store a batch in one transaction; each append is accepted or refused by itself.

        With each accepted event its payloads, the projection, the outbox and the lease change, or
        nothing does. Repeating an append that was stored before gives its first `Appended` again.

        Args:
            appends: at least one, at most one a task.

        Returns:
            One result for each append, in the order given.

        Raises:
            EmptyAppend: the batch is empty.
            AppendRefused: the data of a batch of one cannot be stored.
            StoreUnavailable: nothing was written.
            OutcomeUnknown: the connection broke and it is not known what was written.
        """
        ...

    async def histories(self, task_ids: Collection[UUID]) -> dict[UUID, History]:
        """Return the streams and payloads of these tasks; unknown ids are missing."""
        ...

    async def stream(self, task_id: UUID, tenant: str | None = None) -> list[StoredEvent]:
        """Return all events of one task as stored, oldest first; empty for an unknown id.

        Args:
            tenant: to whom the tasks of others are unknown; `None` for whoever sees all.
        """
        ...

    async def read(self, after: LogCursor, limit: int) -> list[StoredEvent]:
        """Return the next events of the whole log after a cursor, never skipping one.

        Events of transactions that are still open, or began before one that is, come later.
        """
        ...


class Appender(Protocol):
    """Adds single events to the log; concurrent calls share transactions."""

    async def append(self, append: Append, deadline: float | None = None) -> AppendResult:
        """Store one event.

        Args:
            deadline: seconds this call may take; `None` waits until the database is back.

        Raises:
            AppendRefused, StoreUnavailable, OutcomeUnknown: as `EventLog.append`.
        """
        ...


class BatchAppender(Appender, Protocol):
    """Adds also several events at a time."""

    async def append_all(
        self, appends: Sequence[Append], deadline: float | None = None
    ) -> list[AppendResult | Exception]:
        """Store events of different tasks, which is less work than to store each by itself.

        Args:
            deadline: as in `append`.

        Returns:
            for each what `append` would have returned, or the error that it would have raised.
        """
        ...


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as a status answer shows it; read in one statement from the projection and the log.

    Attributes:
        result: the counts as JSON text, exactly as stored; `None` before the end or after erasure.
        memory: the per-shot outcomes as JSON text, if they were asked for.
        execution: how the run was made, once it completed, as JSON text exactly as stored.
        cancel_reason: why the task was cancelled, if it was; empty where nobody said.
        reproductions: the newest `SHOWN_REPRODUCTIONS` times that the run was made again to compare
            results, oldest first.
        tenant: whose task it is.
        labels: what the client said about it.
        erased: what was erased: all contents of the task or, without an erasure on record, which of
            `result` and `memory` there was and is no more.
        erased_at: when the task was erased.
        head_hash: hash of the task's last event; empty in an answer about the past.
    """

    task_id: UUID
    version: int
    status: Status
    shots: int
    attempt: int
    correlation_id: str
    submitted_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_code: str | None
    error_message: str | None
    history: Sequence[StatusEntry]
    result: bytes | None
    memory: bytes | None
    execution: bytes | None
    cancel_reason: str | None = None
    reproductions: Sequence[Reproduction] = ()
    erased: Sequence[PayloadKind] = ()
    tenant: str = ""
    labels: Labels = NO_LABELS
    erased_at: datetime | None = None
    head_hash: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class StoredCircuit:
    """What was submitted to be run.

    Attributes:
        submission: the event of the submission; it commits to the rest.
        circuit: the text in UTF-8, exactly as stored; `None` once it was erased.
        parameters: the parameters as JSON text; `None` without any, and once they were erased.
    """

    submission: TaskSubmitted
    circuit: bytes | None
    parameters: bytes | None

    @property
    def erased(self) -> bool:
        """Whether some of it was erased."""
        return self.circuit is None or (
            self.parameters is None and self.submission.parameters is not None
        )


class TaskQueries(Protocol):
    """Reads the projection."""

    async def view(self, task_id: UUID, tenant: str | None = None) -> TaskView | None:
        """Return one task, or `None` for an unknown id; raises `StoreUnavailable`.

        Args:
            tenant: to whom the tasks of others are unknown; `None` for whoever sees all.
        """
        ...


class CircuitQueries(Protocol):
    """Reads what was submitted."""

    async def circuit(self, task_id: UUID, tenant: str | None = None) -> StoredCircuit | None:
        """Return what a task was submitted with, or `None` for an unknown id.

        Args:
            tenant: to whom the tasks of others are unknown; `None` for whoever sees all.

        Raises:
            StoreUnavailable: it cannot be read now.
            InvalidEvent: its submission cannot be read.
        """
        ...


class HistoryQueries(Protocol):
    """Reads what happened, for people and programs that look back."""

    async def events_of(
        self, task_id: UUID, after_version: int, limit: int, tenant: str | None = None
    ) -> list[LoggedEvent]:
        """Return a task's events above a version, oldest first; raises `StoreUnavailable`.

        Args:
            tenant: to whom the tasks of others are unknown; `None` for whoever sees all.
        """
        ...

    async def page(self, after: LogCursor, limit: int, chosen: LogFilter) -> LogPage:
        """Return the next events of the whole log that a filter lets through, never skipping one.

        A call looks at a bounded number of events, so a page may be empty and not complete.

        Raises:
            StoreUnavailable: the log cannot be read now.
        """
        ...

    async def outcome(self, task_id: UUID) -> dict[PayloadKind, bytes]:
        """Return the bodies of a task's result and memory, as far as they are there."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A task that no worker has claimed yet.

    Attributes:
        row_id: grows with every insertion; a task that is requeued has a new one.
        message_id: id of the event that made the task pending.
        dispatch_number: set once the broker has confirmed a message for it.
    """

    row_id: int
    task_id: UUID
    message_id: UUID
    correlation_id: str
    traceparent: str
    dispatch_number: int | None = None


@dataclass(frozen=True, slots=True)
class Dispatched:
    """The dispatched and unclaimed rows at one moment.

    Attributes:
        numbers: their dispatch numbers, ascending.
        last_number: the highest number ever given.
        paused: whether dispatch was paused at that moment.
        withdrawn: numbers that are gone and were not claimed: their tasks were cancelled, or wait
            for another message. Those that lie before all of `numbers` may be missing.
    """

    numbers: Sequence[int]
    last_number: int
    paused: bool = False
    withdrawn: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """What became of the tasks that were held back until their earliest start.

    Attributes:
        count: so many may be chosen from now on.
        next_seconds: until the next one is due; `None` where none is held any more.
    """

    count: int
    next_seconds: float | None


class Outbox(Protocol):
    """The waiting room: every pending task, dispatched or not."""

    async def choose(self, window: int) -> list[OutboxRow]:
        """Return the rows to publish next, in this order, as many as the window has room for.

        The tenants that wait are filled up to the same number in flight (dispatched or processing),
        each in the order of `domain.labels.turn_of`. Where one has fewer tasks than its share, the
        rest of the room is left to the next call. Held tasks are not chosen, and none is while
        dispatch is paused.
        """
        ...

    async def record_dispatched(self, rows: Sequence[OutboxRow]) -> int:
        """Number rows whose messages the broker confirmed; returns how many still waited.

        Args:
            rows: in the order of their messages in the queue, in which they are numbered.
        """
        ...

    async def release(self) -> Released:
        """Let tasks be chosen whose earliest start has come, by the database's clock."""
        ...

    async def dispatched(self) -> Dispatched:
        """Return which numbers are dispatched and unclaimed, and which were given up."""
        ...

    async def forget(self, numbers: Sequence[int] | None) -> int:
        """Make dispatched rows wait again: these numbers, or all for `None`; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when nothing is handed to workers, why, and who said so."""

    paused_at: datetime
    reason: str
    actor: str


class Pauses(Protocol):
    """Whether waiting tasks are handed to workers. Tasks that are claimed or sent go on."""

    async def paused(self) -> Pause | None:
        """Return the pause in force; `None` while dispatch goes on."""
        ...

    async def pause(self, reason: str, actor: str) -> bool:
        """Stop dispatch until `resume`; tells whether this did it: it may be paused already."""
        ...

    async def resume(self, actor: str) -> Pause | None:
        """Let dispatch go on; returns the pause that this has ended, `None` without one."""
        ...


@dataclass(frozen=True, slots=True)
class ExpiredLease:
    """A claim whose worker has not renewed it in time."""

    task_id: UUID
    attempt: int
    worker_id: str


class Leases(Protocol):
    """Who runs what until when, by the database's clock."""

    async def renew(self, worker_id: str, task_ids: Collection[UUID], seconds: float) -> set[UUID]:
        """Extend this worker's leases on these tasks; returns those it still holds."""
        ...

    async def expired(self, limit: int) -> list[ExpiredLease]:
        """Return leases that have run out, oldest first."""
        ...


class Broker(Protocol):
    """The publishing side of the message broker."""

    async def publish(self, rows: Sequence[OutboxRow]) -> list[int]:
        """Publish one thin message a row; returns the row ids that the broker has confirmed.

        Raises:
            BrokerUnavailable: nothing can be published now.
        """
        ...
