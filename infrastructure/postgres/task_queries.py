"""Status answers, read from the projection."""

from typing import Any
from uuid import UUID

from domain.ports import TaskView
from domain.projection import StatusEntry
from domain.status import Status
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresTaskQueries:
    """`domain.ports.TaskQueries` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def view(self, task_id: UUID) -> TaskView | None:
        """See `domain.ports.TaskQueries.view`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement("view"), task_id)
        if row is None:
            return None
        fields: dict[str, Any] = dict(row)
        status = Status(fields.pop("current_status"))
        lines = zip(fields.pop("statuses"), fields.pop("times"), fields.pop("notes"), strict=True)
        execution = fields.pop("execution")
        return TaskView(
            **fields,
            status=status,
            history=[StatusEntry(Status(name), time, note) for name, time, note in lines],
            execution=None if execution is None else execution.encode(),
        )
