"""Reads the log for an export: each event with the hash before it, in the order of the tree."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from domain.errors import InvalidExport
from domain.exports import ExportedPayload
from domain.ledger import Last
from domain.log import LogCursor, LoggedEvent
from domain.payloads import Payload, PayloadKind
from domain.seals import StoredCheckpoint
from infrastructure.postgres.connect import Connection
from infrastructure.postgres.history import logged
from infrastructure.postgres.statements import statement

PAGE_EVENTS = 1_000


class SealedEnd(NamedTuple):
    """How many events are sealed, and where the last one of them is."""

    size: int
    cursor: LogCursor


class Preceded(NamedTuple):
    """An event, and the one before it in its task."""

    event: LoggedEvent
    last: Last | None


async def sealed_end(connection: Connection) -> SealedEnd:
    """Return how far the log is sealed now."""
    (row,) = await connection.fetch(statement("sealed_end"))
    return SealedEnd(row["size"], LogCursor(row["xid"], row["position"]))


async def sealed_events(connection: Connection, size: int) -> AsyncIterator[list[Preceded]]:
    """Yield the events of the first leaves, in pages.

    Raises:
        InvalidExport: a leaf has no event.
    """
    number = 0
    while number < size:
        rows = await connection.fetch(statement("export_sealed"), number, size, PAGE_EVENTS)
        numbers = [row["leaf_number"] for row in rows]
        wanted = range(number, min(number + PAGE_EVENTS, size))
        if numbers != list(wanted):
            missing = next(n for n in wanted if n not in set(numbers))
            raise InvalidExport(f"leaf {missing} is missing, or its event is: verify the log")
        yield [_preceded(row) for row in rows]
        number = wanted.stop


async def unsealed_events(connection: Connection, end: SealedEnd) -> AsyncIterator[list[Preceded]]:
    """Yield the events that had no leaf when the export began, in pages."""
    cursor = end.cursor
    while True:
        rows = await connection.fetch(
            statement("export_unsealed"), str(cursor.xid), cursor.position, PAGE_EVENTS
        )
        if not rows:
            return
        cursor = LogCursor(rows[-1]["xid"], rows[-1]["position"])
        found = [_preceded(row) for row in rows]
        yield [
            Preceded(LoggedEvent(event.stored, event.contents), last)
            for event, last in found
            if event.leaf is None or event.leaf >= end.size
        ]


async def payload_rows(
    connection: Connection, wanted: Sequence[tuple[UUID, PayloadKind]]
) -> dict[tuple[UUID, PayloadKind], ExportedPayload]:
    """Return payload rows by task and kind; erased ones are missing."""
    rows = await connection.fetch(
        statement("export_payloads"),
        [task_id for task_id, _ in wanted],
        [kind for _, kind in wanted],
    )
    found = {}
    for task_id, name, salt, body in rows:
        kind = PayloadKind(name)
        found[task_id, kind] = ExportedPayload(task_id, Payload(kind, body, salt))
    return found


async def checkpoints_between(
    connection: Connection, after: int, until: int
) -> list[StoredCheckpoint]:
    """Return the checkpoints above one size up to another."""
    rows = await connection.fetch(statement("checkpoints_between"), after, until)
    return [StoredCheckpoint(**row) for row in rows]


def _preceded(row: asyncpg.Record) -> Preceded:
    fields = dict(row)
    hashed, recorded_at = fields.pop("previous_hash"), fields.pop("previous_recorded_at")
    event = logged(fields)
    if hashed is None:
        return Preceded(event, None)
    return Preceded(event, Last(event.stored.version - 1, hashed, recorded_at))
