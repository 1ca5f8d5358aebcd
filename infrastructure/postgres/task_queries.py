"""Status answers, read from the projection."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from domain.codec import decode, decode_labels
from domain.payloads import PayloadKind
from domain.ports import SHOWN_REPRODUCTIONS, TaskView
from domain.projection import Reproduction, StatusEntry, reproduction_of
from domain.status import Status
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement
from infrastructure.shared_reads import SharedReads

_Asked: TypeAlias = tuple[UUID, str | None]


class PostgresTaskQueries:
    """`domain.ports.TaskQueries` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = SharedReads(self._read)

    async def view(self, task_id: UUID, tenant: str | None = None) -> TaskView | None:
        """See `domain.ports.TaskQueries.view`."""
        row = await self._rows.get((task_id, tenant))
        return None if row is None else _view(row)

    async def _read(self, asked: Sequence[_Asked]) -> Mapping[_Asked, asyncpg.Record]:
        task_ids, tenants = zip(*asked, strict=True)
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("view"), task_ids, tenants, SHOWN_REPRODUCTIONS)
        return {(row["task_id"], row["asked_tenant"]): row for row in rows}


def _view(row: asyncpg.Record) -> TaskView:
    fields: dict[str, Any] = dict(row)
    del fields["asked_tenant"]
    comparisons = _reproductions(fields)
    status = Status(fields.pop("current_status"))
    lines = zip(fields.pop("statuses"), fields.pop("times"), fields.pop("notes"), strict=True)
    execution = fields.pop("execution")
    has_memory = fields.pop("has_memory")
    labels = decode_labels(fields.pop("labels"))
    erased = fields.pop("erased")
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
        erased=gone if erased is None else list(map(PayloadKind, erased)),
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
