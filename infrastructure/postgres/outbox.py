"""The outbox in PostgreSQL."""

from collections.abc import Mapping, Sequence

from domain.ports import Dispatched, OutboxRow, Released
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresOutbox:
    """`domain.ports.Outbox` over one database. No call holds a transaction open behind itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def choose(self, window: int) -> list[OutboxRow]:
        """See `domain.ports.Outbox.choose`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("choose_next"), window)
        return [OutboxRow(**row) for row in rows]

    async def record_dispatched(self, rows: Sequence[OutboxRow]) -> int:
        """See `domain.ports.Outbox.record_dispatched`."""
        return await self._update(
            "record_dispatched", [row.task_id for row in rows], [row.row_id for row in rows]
        )

    async def release(self) -> Released:
        """See `domain.ports.Outbox.release`."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(statement("release_due"))
        return Released(**row)

    async def dispatched(self) -> Dispatched:
        """See `domain.ports.Outbox.dispatched`."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(statement("dispatched"))
        return Dispatched(**row)

    async def forget(self, numbers: Sequence[int] | None) -> int:
        """See `domain.ports.Outbox.forget`."""
        return await self._update("forget_dispatched", None if numbers is None else list(numbers))

    async def pending(self, most: int) -> int:
        """Return how many tasks no worker has claimed, up to `most`; raises `StoreUnavailable`."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(statement("count_pending"), most)
        return count

    async def pending_of(self, most: Mapping[str, int]) -> dict[str, int]:
        """Return how many tasks of each tenant no worker has claimed, up to the number given.

        Raises:
            StoreUnavailable: they cannot be counted now.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("count_pending_of_tenants"), list(most), list(most.values())
            )
        return {row["tenant"]: row["pending"] for row in rows}

    async def _update(self, name: str, *arguments: object) -> int:
        async with self._database.connection() as connection:
            tag = await connection.execute(statement(name), *arguments)
        return int(tag.rpartition(" ")[2])
