"""Folds streams of the log, through the domain's own `evolve`, into what the projections must hold.

events, by task and version ──► Folder ──► Folded: a row of `tasks`, and of `outbox` or `leases`
                                      └──► Broken: which event cannot be, and why
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from domain.codec import decode, decode_metadata, encode_labels
from domain.errors import InvalidEvent
from domain.events import ProcessingStarted
from domain.labels import turn_of
from domain.log import RecordedEvent
from domain.status import Status
from domain.task import Task, evolve
from infrastructure.postgres.audit import Range
from infrastructure.postgres.connect import Connection
from infrastructure.postgres.statements import statement

PAGE_ROWS = 2_000


class TaskRow(NamedTuple):
    """A row of `tasks`."""

    task_id: UUID
    version: int
    head_hash: bytes
    head_recorded_at: datetime
    current_status: str
    shots: int
    attempt: int
    submitted_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_code: str | None
    error_message: str | None
    correlation_id: str
    tenant: str
    labels: str | None


class WaitingRow(NamedTuple):
    """What of a row of `outbox` follows from the log."""

    message_id: UUID
    correlation_id: str
    traceparent: str
    waiting_since: datetime
    tenant: str
    turn_at: datetime


class LeaseRow(NamedTuple):
    """What of a row of `leases` follows from the log."""

    attempt: int
    worker_id: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Folded:
    """What the projections must hold of a task.

    Attributes:
        events: how many events it has.
        not_before: the earliest time at which a worker may get it. Where it waits, its row in the
            outbox has this until then.
    """

    events: int
    row: TaskRow
    waiting: WaitingRow | None
    lease: LeaseRow | None
    not_before: datetime | None

    @property
    def task_id(self) -> UUID:
        """The task."""
        return self.row.task_id


@dataclass(frozen=True, slots=True)
class Broken:
    """A stream that no commands can have made.

    Attributes:
        version: of the first event that cannot be.
        why: what is wrong with it.
    """

    events: int
    task_id: UUID
    version: int
    why: str


Outcome: TypeAlias = Folded | Broken


class Folder:
    """Folds events that arrive in the order of task and version, page by page."""

    def __init__(self) -> None:
        self._task_id: UUID | None = None
        self._events = 0
        self._task: Task | None = None
        self._last: RecordedEvent | None = None
        self._hash = b""
        self._broken: Broken | None = None

    def feed(self, rows: Iterable[Any]) -> list[Outcome]:
        """Take rows of `streams_of_range`; returns the tasks that are complete by now."""
        complete: list[Outcome] = []
        for task_id, version, event_id, name, schema_version, data, metadata, at, hashed in rows:
            if task_id != self._task_id:
                complete += self.end()
                self._task_id = task_id
            self._events += 1
            if self._broken is not None:
                continue
            try:
                recorded = RecordedEvent(
                    event_id,
                    task_id,
                    version,
                    decode(name, schema_version, data),
                    decode_metadata(metadata),
                    at,
                )
                self._task = evolve(self._task, recorded)
            except InvalidEvent as error:
                why = str(error).replace(f"task {task_id}", "the task")
                self._broken = Broken(0, task_id, version, why)
            else:
                self._last, self._hash = recorded, hashed
        return complete

    def end(self) -> list[Outcome]:
        """Return the task that was in hand, if there was one."""
        outcome = self._outcome()
        self._task_id, self._events = None, 0
        self._task, self._last, self._broken = None, None, None
        return [] if outcome is None else [outcome]

    def _outcome(self) -> Outcome | None:
        if self._broken is not None:
            broken = self._broken
            return Broken(self._events, broken.task_id, broken.version, broken.why)
        task, last = self._task, self._last
        if task is None or last is None:
            return None
        return Folded(
            self._events,
            _task_row(task, last.recorded_at, self._hash),
            _waiting_row(task, last) if task.status is Status.PENDING else None,
            _lease_row(last),
            task.labels.not_before,
        )


async def fold_range(connection: Connection, tasks: Range) -> AsyncIterator[list[Outcome]]:
    """Yield what a range of tasks amounts to, some at a time; needs a transaction.

    Raises:
        asyncpg.PostgresError, OSError: the database went away or refuses.
    """
    folder = Folder()
    cursor = await connection.cursor(statement("streams_of_range"), *tasks)
    rows = await cursor.fetch(PAGE_ROWS)
    while rows:
        # The server fetches the next page while this one is folded.
        following = asyncio.create_task(cursor.fetch(PAGE_ROWS))
        await asyncio.sleep(0)
        outcomes = folder.feed(rows)
        rows = await following
        yield outcomes
    yield folder.end()


async def fold_tasks(connection: Connection, task_ids: Iterable[UUID]) -> list[Outcome]:
    """Return what some tasks amount to; unknown ids are missing."""
    folder = Folder()
    rows = await connection.fetch(statement("streams_of_tasks"), list(task_ids))
    return folder.feed(rows) + folder.end()


def _task_row(task: Task, recorded_at: datetime, head_hash: bytes) -> TaskRow:
    return TaskRow(
        task.task_id,
        task.version,
        head_hash,
        recorded_at,
        task.status,
        task.options.shots,
        task.attempt,
        task.submitted_at,
        task.started_at,
        task.completed_at,
        task.error_code,
        task.error_message,
        task.metadata.correlation_id,
        task.metadata.tenant,
        encode_labels(task.labels),
    )


def _waiting_row(task: Task, last: RecordedEvent) -> WaitingRow:
    metadata = last.metadata
    return WaitingRow(
        last.event_id,
        metadata.correlation_id,
        metadata.traceparent,
        last.recorded_at,
        metadata.tenant,
        turn_of(task.labels, last.recorded_at),
    )


def _lease_row(last: RecordedEvent) -> LeaseRow | None:
    event = last.event
    if not isinstance(event, ProcessingStarted):
        return None
    return LeaseRow(event.attempt, event.worker_id, last.metadata.tenant)
