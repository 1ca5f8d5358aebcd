"""What is kept beside a task's events."""

from uuid import UUID

from domain.payloads import Payload, PayloadKind
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresContents:
    """`domain.seals.Contents` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, task_id: UUID) -> list[Payload]:
        """See `domain.seals.Contents.of`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("contents_of_task"), task_id)
        return [Payload(PayloadKind(kind), body, salt) for kind, salt, body in rows]
