"""Rows in PostgreSQL's binary COPY format: fields as they are, the quickest way out of a table."""

from collections.abc import Iterator
from struct import Struct, error
from typing import Any, TypeAlias

from domain.errors import KetlogError
from infrastructure.postgres.connect import Connection

Row: TypeAlias = tuple[Any, ...]

_HEADER_BYTES = 19
_END_BYTES = 2
_LENGTH = Struct("!i")
_NULL = -1


class RowForm:
    """The form of a query's rows: columns of fixed length first, then `texts` of any length.

    Args:
        fixed: a `struct` code for each of the first columns: `16s` for a uuid, `i` for an integer,
            `q` for a bigint or a time, `?` for a boolean. They must not be NULL.
        texts: number of the columns behind them; NULL is read as empty.
    """

    def __init__(self, *fixed: str, texts: int = 0) -> None:
        # Each row begins with the number of its fields, each field with its length.
        self._fixed = Struct("!2x" + "".join("4x" + code for code in fixed))
        self._texts = range(texts)

    async def rows(self, connection: Connection, query: str, *values: object) -> Iterator[Row]:
        """Run a query and return its rows.

        The answer is held in memory as a whole: ask for bounded pieces.

        Raises:
            KetlogError: while iterating, if the rows have another form.
        """
        received = bytearray()

        async def take(piece: bytes) -> None:
            received.extend(piece)

        await connection.copy_from_query(query, *values, output=take, format="binary")
        return self._parsed(bytes(received))

    def _parsed(self, copied: bytes) -> Iterator[Row]:
        try:
            if self._texts:
                yield from self._with_texts(copied)
            else:
                yield from self._fixed.iter_unpack(copied[_HEADER_BYTES:-_END_BYTES])
        except error as problem:
            raise KetlogError(
                f"the tables are not those that the migrations make: {problem}"
            ) from problem

    def _with_texts(self, copied: bytes) -> Iterator[Row]:
        fixed, fixed_size, length_at = (
            self._fixed.unpack_from,
            self._fixed.size,
            _LENGTH.unpack_from,
        )
        texts, offset, end = self._texts, _HEADER_BYTES, len(copied) - _END_BYTES
        while offset < end:
            row = fixed(copied, offset)
            offset += fixed_size
            for _ in texts:
                (length,) = length_at(copied, offset)
                begin = offset + 4
                offset = begin if length == _NULL else begin + length
                row += (copied[begin:offset],)
            yield row
