"""Rows in PostgreSQL's binary COPY format: fields as bytes, the quickest way out of a table."""

from collections.abc import Iterator
from struct import Struct
from typing import TypeAlias

from infrastructure.postgres.connect import Connection

Row: TypeAlias = tuple[bytes, ...]

_HEADER_BYTES = 19
_COUNT = Struct("!h")
_LENGTH = Struct("!i")
_END = -1
_NULL = -1


async def copy_rows(connection: Connection, query: str, *values: object) -> Iterator[Row]:
    """Run a query and return its rows, each field in the type's binary form, NULL as empty.

    The answer is held in memory as a whole: ask for bounded pieces.
    """
    received = bytearray()

    async def take(piece: bytes) -> None:
        received.extend(piece)

    await connection.copy_from_query(query, *values, output=take, format="binary")
    return parsed(bytes(received))


def parsed(copied: bytes) -> Iterator[Row]:
    """Yield the rows of a complete answer."""
    count_at, length_at = _COUNT.unpack_from, _LENGTH.unpack_from
    offset = _HEADER_BYTES
    while True:
        (count,) = count_at(copied, offset)
        if count == _END:
            return
        offset += 2
        row = []
        for _ in range(count):
            (length,) = length_at(copied, offset)
            offset += 4
            if length == _NULL:
                row.append(b"")
                continue
            end = offset + length
            row.append(copied[offset:end])
            offset = end
        yield tuple(row)
