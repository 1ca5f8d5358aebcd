"""How far one look into a long list goes, and what an index finds beyond that."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.identifiers import uuid7
from domain.labels import Labels
from domain.listing import Place, TaskFilter
from domain.status import Status
from infrastructure.postgres import task_lists
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.statements import statement
from infrastructure.postgres.task_lists import PostgresTaskLists
from tests.support import tasks


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=2, application_name="test")
    yield made
    await made.close()


@pytest.fixture
def log(database: Database) -> PostgresEventLog:
    return PostgresEventLog(database)


@pytest.fixture
def lists(database: Database, monkeypatch: pytest.MonkeyPatch) -> PostgresTaskLists:
    """Lists that look at five tasks at a time, and take up to three for few."""
    monkeypatch.setattr(task_lists, "LOOKED_AT", 5)
    monkeypatch.setattr(task_lists, "FEW", 3)
    return PostgresTaskLists(database)


async def submit(log: PostgresEventLog, count: int, **said: Any) -> list[UUID]:
    return [(await tasks.put(log, tasks.submission(**said))).task_id for _ in range(count)]


async def pages(lists: PostgresTaskLists, chosen: TaskFilter, limit: int = 3) -> list[list[UUID]]:
    """The ids on each page of a list."""
    found: list[list[UUID]] = []
    after: Place | None = None
    while True:
        page = await lists.page(after, limit, chosen)
        found.append([task.task_id for task in page.tasks])
        if page.end is None:
            return found
        after = page.end


async def test_a_filter_that_lets_little_through_gives_empty_pages_and_ends(
    log: PostgresEventLog, lists: PostgresTaskLists
) -> None:
    await submit(log, 13)
    found = await pages(lists, TaskFilter(statuses=frozenset({Status.FAILED})))
    assert found == [[]] * 4


async def test_nothing_is_missed_or_told_twice_at_the_end_of_a_look(
    log: PostgresEventLog, lists: PostgresTaskLists
) -> None:
    made: list[UUID] = []
    for number in range(23):
        name = "a" if number % 3 else "b"
        made += await submit(log, 1, labels=Labels(name=name))
    named = [task_id for number, task_id in enumerate(made) if number % 3 == 0]
    for limit in (1, 2, 3, 50):
        found = await pages(lists, TaskFilter(name="b"), limit)
        assert [each for page in found for each in page] == named[::-1]
        assert all(len(page) <= limit for page in found)


async def test_tasks_of_one_moment_are_not_torn_apart(
    log: PostgresEventLog, lists: PostgresTaskLists, database_url: str
) -> None:
    made = await submit(log, 8, labels=Labels(name="b"))
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "UPDATE tasks SET submitted_at = (SELECT min(submitted_at) FROM tasks) WHERE task_id <> $1",
        made[-1],
    )
    await owner.close()
    found = await pages(lists, TaskFilter(name="b"), 2)
    assert sorted(each for page in found for each in page) == sorted(made)


async def test_the_tenant_without_a_name_is_told_nothing_of_the_others(
    log: PostgresEventLog, lists: PostgresTaskLists
) -> None:
    mine = await submit(log, 2)
    theirs = await submit(log, 12, tenant="physics")
    after = None
    found: list[UUID] = []
    while True:
        page = await lists.page(after, 3, TaskFilter(tenant=""))
        found += [task.task_id for task in page.tasks]
        if page.end is None:
            break
        after = page.end
        assert after.task_id not in theirs
    assert found == mine[::-1]


@pytest.mark.parametrize("tenant", ["", "physics"])
async def test_few_tasks_of_long_ago_are_found_at_once_by_what_they_are_called(
    log: PostgresEventLog, lists: PostgresTaskLists, tenant: str
) -> None:
    batch = uuid7()
    labels = Labels(tags={"run": "7"}, batch_id=batch)
    mine = await submit(log, 2, labels=labels, tenant=tenant, correlation_id="mine")
    await submit(log, 12, tenant=tenant, labels=Labels(tags={"run": "8"}))
    for chosen in (
        TaskFilter(tenant, tags={"run": "7"}),
        TaskFilter(tenant, batch_id=batch),
        TaskFilter(tenant, correlation_id="mine"),
    ):
        assert await pages(lists, chosen) == [mine[::-1]]


async def test_many_tasks_are_looked_for_in_order(
    log: PostgresEventLog, lists: PostgresTaskLists
) -> None:
    labels = Labels(tags={"run": "7"})
    mine = await submit(log, 5, labels=labels, correlation_id="mine")
    await submit(log, 7)
    for chosen in (TaskFilter(tags={"run": "7"}), TaskFilter(correlation_id="mine")):
        found = await pages(lists, chosen, 2)
        assert found[0] == []
        assert [each for page in found for each in page] == mine[::-1]


async def test_finding_out_whether_they_are_few_takes_no_longer_than_it_may(
    log: PostgresEventLog, lists: PostgresTaskLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await submit(log, 2, correlation_id="mine")
    slow = "SELECT task_id FROM tasks, pg_sleep(60) WHERE correlation_id = $1 LIMIT $2"
    monkeypatch.setattr(
        "infrastructure.postgres.task_lists.statement",
        lambda name: slow if "correlation" in name else statement(name),
    )
    monkeypatch.setattr(task_lists, "FEW_MILLISECONDS", 20)
    assert await pages(lists, TaskFilter(correlation_id="mine")) == [mine[::-1]]


@pytest.mark.parametrize(
    ("looked_at", "index"),
    [(task_lists.OF_TENANT, "tasks_of_tenant"), (task_lists.OF_ALL, "tasks_submitted_at")],
)
async def test_a_list_is_read_in_the_order_of_an_index(
    database: Database, log: PostgresEventLog, looked_at: str, index: str
) -> None:
    await submit(log, 20, tenant="physics")
    statement = task_lists._statement("list_tasks", looked_at)
    names = (
        "timestamptz, uuid, timestamptz, timestamptz, bigint, text, text[], jsonb, text, text, "
        "text, bigint"
    )
    values = "'infinity', gen_random_uuid(), 'infinity', '-infinity', 51, 'physics', NULL"
    async with database.connection() as connection:
        await connection.execute(f"PREPARE listed ({names}) AS {statement}")
        rows = await connection.fetch(
            f"EXPLAIN EXECUTE listed ({values}, NULL, NULL, NULL, NULL, 51)"
        )
    plan = "\n".join(row[0] for row in rows)
    assert f"Index Scan Backward using {index}" in plan
    assert not re.search(r"^ *(-> +)?Sort +\(", plan, re.MULTILINE), plan
