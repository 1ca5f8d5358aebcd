"""The event log in PostgreSQL."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg

from domain.codec import decode, decode_metadata, encode, encode_labels, encode_metadata
from domain.errors import AppendRefused, EmptyAppend, OutcomeUnknown, StoreUnavailable
from domain.events import ProcessingStarted, TaskSubmitted
from domain.log import (
    Append,
    Appended,
    AppendResult,
    Conflict,
    History,
    LogCursor,
    RecordedEvent,
    StoredEvent,
)
from domain.payloads import Payload, PayloadKind
from domain.projection import change_of
from infrastructure.postgres.connect import Connection, Database, describe
from infrastructure.postgres.statements import statement

ANSWER_TIMEOUT_SECONDS = 7.0
"""Longer than the server's own statement timeout: past it, the server cannot be heard any more."""

PIECE_APPENDS = 250
PIECE_BYTES = 1024 * 1024
"""So much of what is stored together goes to the server in one statement."""

_CONNECTION_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.StatementCompletionUnknownError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
"""Errors after which the server may still have committed what it was sent."""

_NOT_STORABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class _TakenBack(Exception):
    """Ends a transaction of which nothing is to be kept."""


class PostgresEventLog:
    """`domain.ports.EventLog` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        """See `domain.ports.EventLog.append`."""
        if not appends:
            raise EmptyAppend("a batch of appends must hold at least one")
        in_lock_order = sorted(appends, key=attrgetter("task_id.bytes"))
        async with self._database.connection() as connection:
            stored = await _store(connection, in_lock_order)
            lost = [append for append in appends if append.task_id not in stored]
            if lost:
                stored |= await _resolve(connection, lost)
        return [stored[append.task_id] for append in appends]

    async def append_atomically(self, appends: Sequence[Append]) -> list[Appended] | None:
        """See `domain.batches.BatchLog.append_atomically`."""
        if not appends:
            raise EmptyAppend("a batch of appends must hold at least one")
        in_lock_order = sorted(appends, key=attrgetter("task_id.bytes"))
        async with self._database.connection() as connection:
            stored = await _store_all(connection, in_lock_order)
            if not stored:
                stored = await _resolve(connection, in_lock_order)
        results = [stored[append.task_id] for append in appends]
        accepted = [result for result in results if isinstance(result, Appended)]
        return accepted if len(accepted) == len(results) else None

    async def rehearse(self, append: Append) -> None:
        """Store an append and take it back, to find out whether it could be stored.

        Raises:
            StoreError: it could not.
        """
        with contextlib.suppress(_TakenBack):
            async with self._database.connection() as connection, connection.transaction():
                await _store(connection, [append])
                raise _TakenBack

    async def histories(self, task_ids: Collection[UUID]) -> dict[UUID, History]:
        """See `domain.ports.EventLog.histories`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("histories"), list(task_ids))
        events: dict[UUID, list[RecordedEvent]] = {}
        payloads: dict[UUID, dict[str, Payload]] = {}
        for row in rows:
            task_id = row["task_id"]
            events.setdefault(task_id, []).append(_recorded(row))
            payloads.setdefault(task_id, {}).update(_submitted_payloads(row))
        return {
            task_id: History(tuple(stream), payloads[task_id]) for task_id, stream in events.items()
        }

    async def stream(self, task_id: UUID, tenant: str | None = None) -> list[StoredEvent]:
        """See `domain.ports.EventLog.stream`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("stream"), task_id, tenant)
        return [StoredEvent(**row) for row in rows]

    async def read(self, after: LogCursor, limit: int) -> list[StoredEvent]:
        """See `domain.ports.EventLog.read`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("read_log"), str(after.xid), after.position, limit
            )
        return [StoredEvent(**row) for row in rows]

    async def comes_from_another_cluster(self) -> bool:
        """Tell whether the newest events carry transaction ids that this cluster has not reached.

        The whole-log reader would not see them for a long time; `docs/operations.md` has the cure.
        """
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(statement("transactions_from_the_future")))


async def _store(connection: Connection, appends: list[Append]) -> dict[UUID, AppendResult]:
    arguments = [*_event_columns(appends), *_payload_columns(appends)]
    try:
        rows = await connection.fetch(
            statement("append"), *arguments, timeout=ANSWER_TIMEOUT_SECONDS
        )
    except _NOT_STORABLE as error:
        raise AppendRefused(f"PostgreSQL refuses the data: {describe(error)}") from error
    except _CONNECTION_LOST as error:
        raise OutcomeUnknown(f"PostgreSQL went away in a commit: {describe(error)}") from error
    return {row["task_id"]: Appended(**row) for row in rows}


async def _store_all(connection: Connection, appends: list[Append]) -> dict[UUID, AppendResult]:
    """Store appends piece by piece in one transaction; nothing if one of them is refused."""
    stored: dict[UUID, AppendResult] = {}
    commits = False
    try:
        async with connection.transaction():
            for piece in _pieces(appends):
                stored |= _complete(piece, await _store(connection, piece))
            commits = True
    except _TakenBack:
        return {}
    except (OutcomeUnknown, *_CONNECTION_LOST) as error:
        if commits:
            raise OutcomeUnknown(f"PostgreSQL went away in a commit: {describe(error)}") from error
        raise StoreUnavailable(f"PostgreSQL went away: {describe(error)}") from error
    return stored


def _complete(piece: list[Append], accepted: dict[UUID, AppendResult]) -> dict[UUID, AppendResult]:
    if len(accepted) < len(piece):
        raise _TakenBack
    return accepted


def _pieces(appends: list[Append]) -> Iterator[list[Append]]:
    """Cut appends into pieces that cost the event loop and the server little at a time."""
    piece: list[Append] = []
    size = 0
    for append in appends:
        more = sum(len(payload.body) for payload in append.payloads)
        if piece and (len(piece) == PIECE_APPENDS or size + more > PIECE_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(append)
        size += more
    yield piece


async def _resolve(connection: Connection, lost: list[Append]) -> dict[UUID, AppendResult]:
    """Tell real conflicts from appends that an earlier try, thought lost, had stored already."""
    wanted = {append.task_id: append for append in lost}
    try:
        rows = await connection.fetch(
            statement("resolve_conflicts"),
            list(wanted),
            [append.expected_version + 1 for append in lost],
        )
    except _CONNECTION_LOST as error:
        raise OutcomeUnknown(f"PostgreSQL went away after a commit: {describe(error)}") from error
    results: dict[UUID, AppendResult] = {}
    for row in rows:
        append = wanted[row["task_id"]]
        version = append.expected_version
        if row["event_id"] == append.event_id:
            results[append.task_id] = Appended(
                append.task_id, version + 1, append.event_id, row["recorded_at"]
            )
        else:
            results[append.task_id] = Conflict(append.task_id, version, row["version"])
    return results


def _event_columns(appends: Iterable[Append]) -> list[tuple[Any, ...]]:
    return list(zip(*map(_event_row, appends), strict=True))


def _event_row(append: Append) -> tuple[Any, ...]:
    event = append.event
    change = change_of(event)
    return (
        append.task_id,
        append.expected_version,
        append.event_id,
        *encode(event),
        encode_metadata(append.metadata),
        change.status,
        change.attempt,
        change.shots,
        change.error_code,
        change.error_message,
        append.metadata.correlation_id,
        append.metadata.traceparent,
        event.worker_id if isinstance(event, ProcessingStarted) else None,
        append.lease_seconds,
        append.metadata.tenant,
        encode_labels(event.labels) if isinstance(event, TaskSubmitted) else None,
    )


def _payload_columns(appends: Iterable[Append]) -> list[list[Any]]:
    rows = [
        (append.task_id, payload.kind, payload.salt, payload.body)
        for append in appends
        for payload in append.payloads
    ]
    return [[row[column] for row in rows] for column in range(4)]


def _recorded(row: asyncpg.Record) -> RecordedEvent:
    return RecordedEvent(
        event_id=row["event_id"],
        task_id=row["task_id"],
        version=row["version"],
        event=decode(row["type"], row["schema_version"], row["data"]),
        metadata=decode_metadata(row["metadata"]),
        recorded_at=row["recorded_at"],
    )


def _submitted_payloads(row: asyncpg.Record) -> dict[str, Payload]:
    return {
        kind: Payload(kind, row[f"{kind}_body"], row[f"{kind}_salt"])
        for kind in (PayloadKind.CIRCUIT, PayloadKind.PARAMETERS)
        if row[f"{kind}_body"] is not None
    }
