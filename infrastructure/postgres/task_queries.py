"""Status answers, read from the projection."""

from typing import Any
from uuid import UUID

from domain.codec import decode, decode_labels
from domain.payloads import PayloadKind
from domain.ports import SHOWN_REPRODUCTIONS, TaskView
from domain.projection import Reproduction, StatusEntry, reproduction_of
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
            row = await connection.fetchrow(statement("view"), task_id, SHOWN_REPRODUCTIONS)
        if row is None:
            return None
        fields: dict[str, Any] = dict(row)
        comparisons = _reproductions(fields)
        status = Status(fields.pop("current_status"))
        lines = zip(fields.pop("statuses"), fields.pop("times"), fields.pop("notes"), strict=True)
        execution = fields.pop("execution")
        has_memory = fields.pop("has_memory")
        labels = decode_labels(fields.pop("labels"))
        gone = [
            kind
            for kind, was_there in (
                (PayloadKind.RESULT, status is Status.COMPLETED),
                (PayloadKind.MEMORY, has_memory),
            )
            if was_there and fields[kind] is None
        ]
        return TaskView(
            **fields,
            status=status,
            history=[StatusEntry(Status(name), time, note) for name, time, note in lines],
            execution=None if execution is None else execution.encode(),
            reproductions=comparisons,
            erased=gone,
            labels=labels,
        )


def _reproductions(fields: dict[str, Any]) -> list[Reproduction]:
    columns = [fields.pop(f"comparison_{name}") for name in ("types", "versions", "data", "times")]
    if columns[0] is None:
        return []
    events = (
        (decode(type_name, schema_version, data), time)
        for type_name, schema_version, data, time in zip(*columns, strict=True)
    )
    return [made for event, time in events if (made := reproduction_of(event, time)) is not None]
