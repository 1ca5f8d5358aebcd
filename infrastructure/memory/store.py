"""The event log, projection, outbox, pauses and leases as plain Python.

Says in a page what the SQL of `infrastructure.postgres` does, and passes the same conformance
suite.
Nothing here awaits, so every call is one transaction.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.codec import encode, encode_metadata, recorded, to_json
from domain.errors import EmptyAppend
from domain.events import ProcessingStarted, TaskErased, TaskSubmitted
from domain.hashing import GENESIS, event_hash
from domain.labels import NO_LABELS, Labels
from domain.log import (
    Append,
    Appended,
    AppendResult,
    Conflict,
    History,
    LogCursor,
    StoredEvent,
)
from domain.payloads import Payload, PayloadKind
from domain.ports import Dispatched, ExpiredLease, OutboxRow, Pause, Released, TaskView
from domain.projection import Change, change_of, status_history
from domain.status import Status
from domain.view import cancel_reason, completion_of, erased, erasure_of, reproductions
from infrastructure.memory.waiting_room import WaitingRoom


@dataclass(slots=True)
class _Row:
    """A row of the projection."""

    status: Status
    shots: int
    attempt: int
    correlation_id: str
    submitted_at: datetime
    tenant: str = ""
    labels: Labels = NO_LABELS
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(slots=True)
class _Lease:
    attempt: int
    worker_id: str
    tenant: str
    expires_at: datetime


@dataclass(slots=True)
class _Counter:
    value: int = 0

    def next(self) -> int:
        self.value += 1
        return self.value


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class MemoryStore:
    """`EventLog`, `TaskQueries`, `Outbox`, `Pauses` and `Leases` of `domain.ports` in one object.

    Attributes:
        clock: returns the time with which events are recorded and leases measured.
    """

    clock: Callable[[], datetime] = _now
    streams: dict[UUID, list[StoredEvent]] = field(default_factory=dict)
    payload_rows: dict[UUID, dict[PayloadKind, Payload]] = field(default_factory=dict)
    _projection: dict[UUID, _Row] = field(default_factory=dict)
    _room: WaitingRoom = field(default_factory=WaitingRoom)
    _leases: dict[UUID, _Lease] = field(default_factory=dict)
    _pause: Pause | None = None
    _positions: _Counter = field(default_factory=_Counter)
    _transactions: _Counter = field(default_factory=_Counter)

    @property
    def room(self) -> WaitingRoom:
        """Every pending task; only to look at."""
        return self._room

    @property
    def working(self) -> bool:
        """Whether any task is leased."""
        return bool(self._leases)

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        """See `domain.ports.EventLog.append`."""
        if not appends:
            raise EmptyAppend("a batch of appends must hold at least one")
        encoded = [(encode(append.event), encode_metadata(append.metadata)) for append in appends]
        xid = self._transactions.next()
        return [
            self._append(append, xid, event, metadata)
            for append, (event, metadata) in zip(appends, encoded, strict=True)
        ]

    async def append_atomically(self, appends: Sequence[Append]) -> list[Appended] | None:
        """See `domain.batches.BatchLog.append_atomically`."""
        streams = [self.streams.get(append.task_id, []) for append in appends]
        lost = [
            self._lost(append, stream)
            for append, stream in zip(appends, streams, strict=True)
            if len(stream) != append.expected_version
        ]
        if lost:
            repeated = [result for result in lost if isinstance(result, Appended)]
            return repeated if len(repeated) == len(appends) else None
        results = await self.append(appends)
        return [result for result in results if isinstance(result, Appended)]

    async def histories(self, task_ids: Collection[UUID]) -> dict[UUID, History]:
        """See `domain.ports.EventLog.histories`."""
        return {
            task_id: History(
                tuple(map(recorded, self.streams[task_id])),
                {
                    kind: payload
                    for kind, payload in self.payload_rows[task_id].items()
                    if kind in {PayloadKind.CIRCUIT, PayloadKind.PARAMETERS}
                },
            )
            for task_id in task_ids
            if task_id in self.streams
        }

    async def stream(self, task_id: UUID, tenant: str | None = None) -> list[StoredEvent]:
        """See `domain.ports.EventLog.stream`."""
        row = self._projection.get(task_id)
        if row is None or tenant not in {None, row.tenant}:
            return []
        return list(self.streams[task_id])

    async def read(self, after: LogCursor, limit: int) -> list[StoredEvent]:
        """See `domain.ports.EventLog.read`."""
        log = sorted(
            (event for stream in self.streams.values() for event in stream),
            key=lambda event: (event.xid, event.position),
        )
        return [event for event in log if (event.xid, event.position) > after][:limit]

    async def view(self, task_id: UUID, tenant: str | None = None) -> TaskView | None:
        """See `domain.ports.TaskQueries.view`."""
        row = self._projection.get(task_id)
        if row is None or tenant not in {None, row.tenant}:
            return None
        events = tuple(map(recorded, self.streams[task_id]))
        completion, erasure = completion_of(events), erasure_of(events)
        contents = {kind: row.body for kind, row in self.payload_rows[task_id].items()}
        return TaskView(
            task_id=task_id,
            version=len(events),
            status=row.status,
            shots=row.shots,
            attempt=row.attempt,
            correlation_id=row.correlation_id,
            submitted_at=row.submitted_at,
            started_at=row.started_at,
            completed_at=row.completed_at,
            error_code=row.error_code,
            error_message=row.error_message,
            history=status_history(events),
            result=contents.get(PayloadKind.RESULT),
            memory=contents.get(PayloadKind.MEMORY),
            execution=None if completion is None else to_json(completion.execution).encode(),
            cancel_reason=cancel_reason(events),
            reproductions=reproductions(events),
            tenant=row.tenant,
            labels=row.labels,
            erased=erased(erasure, completion, contents),
            erased_at=None if erasure is None else erasure.recorded_at,
            head_hash=self.streams[task_id][-1].hash,
        )

    async def choose(self, window: int) -> list[OutboxRow]:
        """See `domain.ports.Outbox.choose`."""
        if self._pause is not None:
            return []
        return self._room.choose(window, Counter(lease.tenant for lease in self._leases.values()))

    async def record_dispatched(self, rows: Sequence[OutboxRow]) -> int:
        """See `domain.ports.Outbox.record_dispatched`."""
        return self._room.record(rows)

    async def release(self) -> Released:
        """See `domain.ports.Outbox.release`."""
        return self._room.release(self.clock())

    async def dispatched(self) -> Dispatched:
        """See `domain.ports.Outbox.dispatched`."""
        return Dispatched(
            self._room.numbers(),
            self._room.last_number,
            paused=self._pause is not None,
            withdrawn=sorted(self._room.withdrawn),
        )

    async def forget(self, numbers: Sequence[int] | None) -> int:
        """See `domain.ports.Outbox.forget`."""
        return self._room.forget(numbers)

    async def paused(self) -> Pause | None:
        """See `domain.ports.Pauses.paused`."""
        return self._pause

    async def pause(self, reason: str, actor: str) -> bool:
        """See `domain.ports.Pauses.pause`."""
        if self._pause is not None:
            return False
        self._pause = Pause(self.clock(), reason, actor)
        return True

    async def resume(self, actor: str) -> Pause | None:  # noqa: ARG002 - only a database remembers
        """See `domain.ports.Pauses.resume`."""
        ended, self._pause = self._pause, None
        return ended

    async def renew(self, worker_id: str, task_ids: Collection[UUID], seconds: float) -> set[UUID]:
        """See `domain.ports.Leases.renew`."""
        held = {
            task_id
            for task_id in task_ids
            if task_id in self._leases and self._leases[task_id].worker_id == worker_id
        }
        for task_id in held:
            self._leases[task_id].expires_at = self.clock() + timedelta(seconds=seconds)
        return held

    async def expired(self, limit: int) -> list[ExpiredLease]:
        """See `domain.ports.Leases.expired`."""
        now = self.clock()
        late = sorted(
            ((task_id, lease) for task_id, lease in self._leases.items() if lease.expires_at < now),
            key=lambda item: item[1].expires_at,
        )
        return [
            ExpiredLease(task_id, lease.attempt, lease.worker_id) for task_id, lease in late[:limit]
        ]

    def _append(
        self, append: Append, xid: int, encoded: tuple[str, int, str], metadata: str
    ) -> AppendResult:
        type_name, schema_version, data = encoded
        stream = self.streams.get(append.task_id, [])
        if append.expected_version != len(stream):
            return self._lost(append, stream)
        stored = StoredEvent(
            position=self._positions.next(),
            xid=xid,
            event_id=append.event_id,
            task_id=append.task_id,
            version=len(stream) + 1,
            type=type_name,
            schema_version=schema_version,
            data=data,
            metadata=metadata,
            recorded_at=max([self.clock(), *(event.recorded_at for event in stream[-1:])]),
            hash=b"",
        )
        previous = stream[-1].hash if stream else GENESIS
        stored = replace(stored, hash=event_hash(previous, stored))
        self.streams[append.task_id] = [*stream, stored]
        self.payload_rows.setdefault(append.task_id, {}).update(
            {payload.kind: payload for payload in append.payloads}
        )
        if isinstance(append.event, TaskErased):
            self.payload_rows[append.task_id].clear()
        self._project(append, stored.recorded_at)
        return Appended(append.task_id, stored.version, append.event_id, stored.recorded_at)

    def _lost(self, append: Append, stream: list[StoredEvent]) -> AppendResult:
        for stored in stream[append.expected_version :][:1]:
            if stored.event_id == append.event_id:
                return Appended(append.task_id, stored.version, stored.event_id, stored.recorded_at)
        return Conflict(append.task_id, append.expected_version, len(stream))

    def _project(self, append: Append, recorded_at: datetime) -> None:
        task_id, change = append.task_id, change_of(append.event)
        row = self._projection.get(task_id)
        if row is None:
            row = self._projection[task_id] = _Row(
                Status.PENDING,
                change.shots or 0,
                change.attempt or 0,
                append.metadata.correlation_id,
                recorded_at,
                append.metadata.tenant,
                append.event.labels if isinstance(append.event, TaskSubmitted) else NO_LABELS,
            )
        if change.status is None:
            return
        _move(row, change, change.status, recorded_at)
        self._room.leave(task_id, claimed=change.status is Status.PROCESSING)
        self._leases.pop(task_id, None)
        if change.status is Status.PENDING:
            metadata = append.metadata
            waits = OutboxRow(
                0, task_id, append.event_id, metadata.correlation_id, metadata.traceparent
            )
            self._room.add(waits, row.tenant, row.labels, recorded_at)
        elif isinstance(append.event, ProcessingStarted):
            self._leases[task_id] = _Lease(
                append.event.attempt,
                append.event.worker_id,
                row.tenant,
                recorded_at + timedelta(seconds=append.lease_seconds or 0.0),
            )


def _move(row: _Row, change: Change, status: Status, recorded_at: datetime) -> None:
    row.status = status
    row.attempt = row.attempt if change.attempt is None else change.attempt
    if status is Status.PENDING:
        row.started_at = None
    elif status is Status.PROCESSING:
        row.started_at = recorded_at
    row.completed_at = recorded_at if status.terminal else None
    row.error_code = change.error_code
    row.error_message = change.error_message
