"""Reads the log for an audit: everything that has to agree, in pieces of one snapshot each.

Pieces are ranges of task ids, so that whatever belongs to a task, or claims to, lies in one piece.
They are short: no snapshot is open long enough to hold up those who read the log behind it.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from uuid import UUID

from domain.hashing import hash_of_fields
from domain.payloads import Commitment, hmac_of
from infrastructure.postgres.binary_copy import Row, RowForm
from infrastructure.postgres.connect import Connection
from infrastructure.postgres.statements import statement

EVENTS_A_PIECE = 5_000
LEAVES_A_PIECE = 10_000
WHOLE_BODY_BYTES = 16_384
"""Payloads up to this size are read with their piece, longer ones one by one."""

LOWEST = UUID(int=0)
HIGHEST = UUID(int=2**128 - 1)
Range: TypeAlias = tuple[UUID, UUID]
"""Task ids from the first to the second, both included."""

_POSTGRES_EPOCH = 946_684_800_000_000
_INT8 = 2**64

_EVENTS = RowForm("16s", "4s", "16s", "4s", "q", "32s", "?", texts=3)
_LEAVES = RowForm("16s", "i", "q", "32s")
_HEADS = RowForm("16s", "i", "32s")
_PAYLOADS = RowForm("16s", "i", texts=3)
_TREE = RowForm("q", "16s", "i", "32s", texts=1)


class AuditedEvent(NamedTuple):
    """An event as its row holds it, fields in the form that the hash covers.

    Attributes:
        recorded_at: 8 bytes, microseconds since 1970.
        in_sealed_part: whether the log is sealed past this event.
    """

    task_id: bytes
    version: bytes
    event_id: bytes
    schema_version: bytes
    recorded_at: bytes
    hash: bytes
    in_sealed_part: bool
    type: bytes
    metadata: bytes
    data: bytes

    def hash_after(self, previous: bytes) -> bytes:
        """Return the hash that it must carry if `previous` is the hash before it."""
        return hash_of_fields(
            previous,
            self.task_id,
            self.version,
            self.type,
            self.schema_version,
            self.event_id,
            self.recorded_at,
            self.metadata,
            self.data,
        )


class SealedEvent(NamedTuple):
    """What a leaf says of an event."""

    leaf: int
    hash: bytes


class Head(NamedTuple):
    """What the projection says of a task's last event."""

    version: int
    hash: bytes


class TreeLeaf(NamedTuple):
    """A row of the tree."""

    number: int
    task_id: bytes
    version: int
    event_hash: bytes
    subtrees: bytes


@dataclass(frozen=True, slots=True)
class Streams:
    """All about some tasks, by the 16 bytes of their ids.

    Attributes:
        events: in the order of task and version.
        leaves: by version.
        contents: commitments to what the payload rows hold, by kind.
    """

    events: Iterator[AuditedEvent]
    leaves: dict[bytes, dict[int, SealedEvent]]
    heads: dict[bytes, Head]
    contents: dict[bytes, dict[str, Commitment]]


async def ranges(connection: Connection, first: UUID = LOWEST) -> AsyncIterator[Range]:
    """Yield ranges of task ids from `first` on, each with some `EVENTS_A_PIECE` events."""
    while True:
        boundary = await connection.fetchval(statement("audit_boundary"), first, EVENTS_A_PIECE - 1)
        until = HIGHEST if boundary is None else boundary
        yield first, until
        if until == HIGHEST:
            return
        first = UUID(int=until.int + 1)


async def read_streams(connection: Connection, tasks: Range) -> Streams:
    """Return everything about the tasks in a range, from one snapshot.

    Raises:
        asyncpg.PostgresError, OSError: the database went away or refuses.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await _read_piece(connection, *tasks)


async def read_tree(connection: Connection) -> AsyncIterator[list[TreeLeaf]]:
    """Yield every leaf by its number, in pieces."""
    first = 0
    while True:
        rows = await _TREE.rows(connection, statement("audit_tree"), first, LEAVES_A_PIECE)
        leaves = list(map(TreeLeaf._make, rows))
        if not leaves:
            return
        yield leaves
        first = leaves[-1].number + 1


async def _read_piece(connection: Connection, first: UUID, until: UUID) -> Streams:
    (end,) = await connection.fetch(statement("sealed_end"))
    leaves: dict[bytes, dict[int, SealedEvent]] = {}
    rows = await _LEAVES.rows(connection, statement("audit_leaves"), first, until)
    for task_id, version, number, hashed in rows:
        leaves.setdefault(task_id, {})[version] = SealedEvent(number, hashed)
    rows = await _HEADS.rows(connection, statement("audit_heads"), first, until)
    heads = {task_id: Head(version, hashed) for task_id, version, hashed in rows}
    contents = await _read_contents(connection, first, until)
    rows = await _EVENTS.rows(
        connection, statement("audit_events"), first, until, str(end["xid"]), end["position"]
    )
    return Streams(map(_event, rows), leaves, heads, contents)


def _event(row: Row) -> AuditedEvent:
    task_id, version, event_id, schema_version, recorded_at, *rest = row
    since_1970 = (recorded_at + _POSTGRES_EPOCH) % _INT8
    return AuditedEvent(
        task_id, version, event_id, schema_version, since_1970.to_bytes(8, "big"), *rest
    )


async def _read_contents(
    connection: Connection, first: UUID, until: UUID
) -> dict[bytes, dict[str, Commitment]]:
    contents: dict[bytes, dict[str, Commitment]] = {}
    rows = await _PAYLOADS.rows(
        connection, statement("audit_payloads"), first, until, WHOLE_BODY_BYTES
    )
    for task_id, size, encoded_kind, salt, body in rows:
        kind = encoded_kind.decode()
        if size > WHOLE_BODY_BYTES:
            commitment = await _long_content(connection, UUID(bytes=task_id), kind)
        else:
            commitment = Commitment(hmac_of(salt, body), size)
        contents.setdefault(task_id, {})[kind] = commitment
    return contents


async def _long_content(connection: Connection, task_id: UUID, kind: str) -> Commitment:
    (row,) = await connection.fetch(statement("payload_body"), task_id, kind)
    return Commitment(hmac_of(row["salt"], row["body"]), len(row["body"]))
