"""Lists of tasks, newest first, by the indexes on their times.

A filter lets little through of what an index finds in order, so each call looks at so many tasks
and no more. What has an index of its own (tags, correlation ids) is found by that where the tasks
are few.
"""

import contextlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import asyncpg

from domain.codec import decode_labels, to_json
from domain.listing import (
    LAST_ID,
    ListedTask,
    Place,
    TaskFilter,
    TaskPage,
    bounded,
    cut,
    with_contents,
)
from domain.payloads import PayloadKind
from domain.status import Status
from infrastructure.postgres.connect import Connection, Database
from infrastructure.postgres.statements import statement

LOOKED_AT: Final = 10_000
"""One call looks at so many tasks for those that a filter lets through; some 20 ms."""

FEW: Final = 2_000
"""So many tasks are found by an index of their own; more are looked for in order."""

FEW_MILLISECONDS: Final = 200
"""So long it may take to find out whether they are few."""

OF_TENANT: Final = "listed_of_tenant"
OF_ALL: Final = "listed_of_all"
BY_ID: Final = "listed_by_id"

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_NEWEST = Place(_END_OF_TIME, LAST_ID)


class PostgresTaskLists:
    """`domain.listing.TaskLists` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        after: Place | None,
        limit: int,
        chosen: TaskFilter,
        contents: Collection[PayloadKind] = (),
    ) -> TaskPage:
        """See `domain.listing.TaskLists.page`."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            reader = _Reader(connection, after or _NEWEST, limit, chosen)
            page = await reader.page()
            return await _read_contents(connection, page, contents) if contents else page


class _Reader:
    """One call: what it looks at, and how far it gets."""

    def __init__(
        self, connection: Connection, after: Place, limit: int, chosen: TaskFilter
    ) -> None:
        self._connection = connection
        self._after = after
        self._limit = limit
        self._chosen = chosen
        self._looked_at = OF_TENANT if chosen.tenant else OF_ALL

    async def page(self) -> TaskPage:
        chosen = self._chosen
        for query, value in (
            ("tasks_of_batch", None if chosen.batch_id is None else str(chosen.batch_id)),
            ("tasks_of_correlation", chosen.correlation_id),
        ):
            if value is not None and (ids := await self._few(query, value)) is not None:
                return await self._page_of(ids)
        in_order = await self._page_in_order()
        if chosen.tags and in_order.end is not None and len(in_order.tasks) < self._limit:
            ids = await self._few("tasks_with_tags", to_json(dict(chosen.tags)))
            if ids is not None:
                return await self._page_of(ids)
        return in_order

    async def _page_in_order(self) -> TaskPage:
        """Look at the next tasks one by one, at so many that it takes a bounded time."""
        all_pass = not self._chosen.picks and self._chosen.tenant != ""
        most = self._limit + 1 if all_pass else LOOKED_AT
        tasks = await self._read(self._looked_at, most)
        if all_pass or len(tasks) > self._limit:
            return cut(tasks, self._limit)
        looked = await self._connection.fetchrow(
            _statement("list_end", self._looked_at), *self._bounds(most)
        )
        if looked is None or looked["tasks"] < most:
            return TaskPage(tasks, None)
        # All that is newer was looked at. What is as old may not have been: it belongs to the
        # next page, which begins at a time and so tells nothing of the tasks of others.
        end = Place(looked["submitted_at"], LAST_ID)
        return TaskPage([task for task in tasks if task.submitted_at > end.submitted_at], end)

    async def _page_of(self, ids: Sequence[UUID]) -> TaskPage:
        tasks = await self._read(BY_ID, len(ids), list(ids))
        return cut(tasks, self._limit)

    async def _read(self, looked_at: str, most: int, *ids: list[UUID]) -> list[ListedTask]:
        chosen = self._chosen
        rows = await self._connection.fetch(
            _statement("list_tasks", looked_at),
            *self._bounds(most)[:5],
            chosen.tenant,
            None if chosen.statuses is None else sorted(chosen.statuses),
            to_json(dict(chosen.tags)) if chosen.tags else None,
            None if chosen.batch_id is None else str(chosen.batch_id),
            chosen.correlation_id,
            chosen.name,
            self._limit + 1,
            *ids,
        )
        return [_listed(row) for row in rows]

    def _bounds(self, most: int) -> tuple[Any, ...]:
        chosen = self._chosen
        bounds = (
            self._after.submitted_at,
            self._after.task_id,
            chosen.until or _END_OF_TIME,
            chosen.since or _BEGINNING,
            most,
        )
        return (*bounds, chosen.tenant) if chosen.tenant else bounds

    async def _few(self, query: str, value: str) -> Sequence[UUID] | None:
        """Return the ids that an index finds; `None` where there are many, or it takes long."""
        with contextlib.suppress(asyncpg.QueryCanceledError):
            async with self._connection.transaction():
                await self._connection.execute(f"SET LOCAL statement_timeout = {FEW_MILLISECONDS}")
                rows = await self._connection.fetch(statement(query), value, FEW + 1)
                await self._connection.execute("SET LOCAL statement_timeout = DEFAULT")
            if len(rows) <= FEW:
                return [row["task_id"] for row in rows]
        return None


async def _read_contents(
    connection: Connection, page: TaskPage, kinds: Collection[PayloadKind]
) -> TaskPage:
    """Read what is asked for with the tasks, as far as it is not too much at a time."""
    ids = [task.task_id for task in page.tasks]
    sizes = await connection.fetch(statement("content_sizes"), ids, list(kinds))
    page = bounded(page, {row["task_id"]: row["octets"] for row in sizes})
    ids = [task.task_id for task in page.tasks]
    found: dict[UUID, dict[PayloadKind, bytes]] = {}
    for row in await connection.fetch(statement("contents_of_tasks"), ids, list(kinds)):
        found.setdefault(row["task_id"], {})[PayloadKind(row["kind"])] = row["body"]
    return with_contents(page, found)


def _listed(row: asyncpg.Record) -> ListedTask:
    fields: dict[str, Any] = dict(row)
    status = Status(fields.pop("current_status"))
    labels = decode_labels(fields.pop("labels"))
    return ListedTask(**fields, status=status, labels=labels)


@cache
def _statement(name: str, looked_at: str) -> str:
    """Return a statement about what another one looks at."""
    order = f"{'tenant DESC, ' if looked_at == OF_TENANT else ''}submitted_at DESC, task_id DESC"
    return statement(name).format(looked_at=statement(looked_at), order=order)
