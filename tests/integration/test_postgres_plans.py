"""How rows are looked up that are asked for all the time, whatever the planner thinks of tables."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from domain.identifiers import uuid7
from infrastructure.postgres.connect import connect
from infrastructure.postgres.statements import statement

WHOLE_TABLES = {"Hash Join", "Merge Join", "Seq Scan"}


@pytest.mark.parametrize("name", ["histories", "view"])
async def test_rows_are_looked_up_one_by_one(database_url: str, name: str) -> None:
    ids: list[UUID] = [uuid7(), uuid7()]
    arguments: dict[str, list[Any]] = {"histories": [ids], "view": [ids, [None, None], 10]}
    # As a planner that knows nothing of the tables' sizes may see it.
    connection = await connect(database_url, "plans", enable_nestloop="off")
    prepared = await connection.prepare(statement(name))
    plan = await prepared.explain(*arguments[name])
    await connection.close()
    assert WHOLE_TABLES.isdisjoint(_nodes(json.loads(plan) if isinstance(plan, str) else plan))


def _nodes(plan: Any) -> Iterator[str]:
    """Return the kinds of all nodes."""
    if isinstance(plan, list):
        for part in plan:
            yield from _nodes(part)
    elif isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan["Node Type"]
        for part in plan.values():
            yield from _nodes(part)
