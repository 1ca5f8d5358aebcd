"""How tasks stand in the line, read from the outbox and the end of the log."""

from uuid import UUID

from domain.status import Status
from domain.waiting import COUNTED_AHEAD, RATE_SECONDS, QueuePlace
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresQueue:
    """`domain.waiting.QueueQueries` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, task_id: UUID, tenant: str | None = None) -> QueuePlace | None:
        """See `domain.waiting.QueueQueries.place`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                statement("queue_place"), task_id, tenant, COUNTED_AHEAD, RATE_SECONDS
            )
        return None if row is None else QueuePlace(**{**row, "status": Status(row["status"])})
