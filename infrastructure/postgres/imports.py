"""Writes an exported log into an empty installation, and makes the projections from it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from domain.errors import InvalidExport, KetlogError
from domain.events import TaskErased
from domain.exports import ExportedPayload
from domain.ledger import Last
from domain.log import StoredEvent
from domain.seals import Leaf, StoredCheckpoint
from infrastructure.postgres.audit import HIGHEST, LOWEST
from infrastructure.postgres.connect import Connection
from infrastructure.postgres.folds import Broken, Folded, Outcome, TaskRow, WaitingRow, fold_range
from infrastructure.postgres.statements import statement

_EVENT_COLUMNS = (
    "event_id",
    "task_id",
    "version",
    "type",
    "schema_version",
    "data",
    "metadata",
    "recorded_at",
    "hash",
)
_LEAF_COLUMNS = ("leaf_number", "task_id", "version", "event_hash", "subtrees")
_OUTBOX_COLUMNS = ("task_id", *WaitingRow._fields, "not_before")


class NotEmpty(KetlogError):
    """The database has a log already; an import never mixes two."""


class Piece(NamedTuple):
    """A piece of a log that was checked, ready to be written."""

    events: Sequence[StoredEvent]
    payloads: Sequence[ExportedPayload]
    leaves: Sequence[Leaf]
    checkpoints: Sequence[StoredCheckpoint]


async def lock_empty(connection: Connection) -> None:
    """Keep others from writing until the transaction ends; raises `NotEmpty`."""
    await connection.execute(statement("import_lock"))
    if not await connection.fetchval(statement("import_is_empty")):
        raise NotEmpty(
            "this database has a log already. Import into a new one (make migrate makes it ready)."
        )


async def last_of(connection: Connection, task_ids: Iterable[UUID]) -> dict[UUID, Last]:
    """Return the last event of each of these tasks, as far as they are there."""
    rows = await connection.fetch(statement("last_of_tasks"), list(task_ids))
    return {
        task_id: Last(version, hashed, recorded_at)
        for task_id, version, hashed, recorded_at in rows
    }


async def write_piece(connection: Connection, piece: Piece) -> None:
    """Add a piece to the tables of the log; new positions are drawn in its order.

    Contents that were exported before their task was erased go with the erasure here too: the
    database removes what was written before it, and what came in the same piece is left out.
    """
    erased = {event.task_id for event in piece.events if event.type == TaskErased.__name__}
    for table, columns, rows in (
        (
            "events",
            _EVENT_COLUMNS,
            [[getattr(event, name) for name in _EVENT_COLUMNS] for event in piece.events],
        ),
        (
            "payloads",
            ("task_id", "kind", "salt", "body"),
            [
                (line.task_id, line.payload.kind, line.payload.salt, line.payload.body)
                for line in piece.payloads
                if line.task_id not in erased
            ],
        ),
        (
            "leaves",
            _LEAF_COLUMNS,
            [
                (leaf.number, leaf.task_id, leaf.version, leaf.event_hash, leaf.subtrees)
                for leaf in piece.leaves
            ],
        ),
        (
            "checkpoints",
            ("size", "root", "note", "sealed_at"),
            [(row.size, row.root, row.note, row.sealed_at) for row in piece.checkpoints],
        ),
    ):
        if rows:
            await connection.copy_records_to_table(table, columns=columns, records=rows)


async def project(connection: Connection) -> int:
    """Make the projections of the whole log; returns the number of tasks.

    Raises:
        InvalidExport: a stream is none that commands can have made.
    """
    tasks = 0
    async for outcomes in fold_range(connection, (LOWEST, HIGHEST)):
        tasks += len(outcomes)
        await _write_rows(connection, list(map(_folded, outcomes)))
    return tasks


async def gather_statistics(connection: Connection) -> None:
    """Let the planner know that the tables are not empty any more."""
    await connection.execute(statement("import_analyze"))


def _folded(outcome: Outcome) -> Folded:
    if isinstance(outcome, Broken):
        raise InvalidExport(f"task {outcome.task_id}, version {outcome.version}: {outcome.why}")
    return outcome


async def _write_rows(connection: Connection, folded: Sequence[Folded]) -> None:
    await connection.copy_records_to_table(
        "tasks", columns=TaskRow._fields, records=[outcome.row for outcome in folded]
    )
    waiting = [
        (each.task_id, *each.waiting, each.not_before)
        for each in folded
        if each.waiting is not None
    ]
    await connection.copy_records_to_table("outbox", columns=_OUTBOX_COLUMNS, records=waiting)
    leases = [(each.task_id, *each.lease) for each in folded if each.lease is not None]
    if leases:
        await connection.execute(statement("import_leases"), *zip(*leases, strict=True))
