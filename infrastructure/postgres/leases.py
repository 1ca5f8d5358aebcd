"""Leases in PostgreSQL, by the server's clock."""

from collections.abc import Collection
from uuid import UUID

from domain.ports import ExpiredLease
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresLeases:
    """`domain.ports.Leases` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def renew(self, worker_id: str, task_ids: Collection[UUID], seconds: float) -> set[UUID]:
        """See `domain.ports.Leases.renew`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("renew_leases"), worker_id, list(task_ids), seconds
            )
        return {row["task_id"] for row in rows}

    async def busy_workers(self) -> int:
        """Return how many workers run something; raises `StoreUnavailable`."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(statement("busy_workers")))

    async def expired(self, limit: int) -> list[ExpiredLease]:
        """See `domain.ports.Leases.expired`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("expired_leases"), limit)
        return [ExpiredLease(**row) for row in rows]
