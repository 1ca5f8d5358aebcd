"""Looking back: the events of a task, the whole log in pages, what a run came to."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from domain.log import LogCursor, LogFilter, LoggedEvent, LogPage, StoredEvent
from domain.payloads import PayloadKind
from infrastructure.postgres.connect import Connection, Database
from infrastructure.postgres.statements import statement

SCANNED_EVENTS = 20_000
"""One call looks at so many events for those that a filter lets through; some 20 ms."""
WIDENING = 12
"""So many times as many events are looked at, where a tenant's page is not full."""


class PostgresHistory:
    """`domain.ports.HistoryQueries` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events_of(
        self, task_id: UUID, after_version: int, limit: int, tenant: str | None = None
    ) -> list[LoggedEvent]:
        """See `domain.ports.HistoryQueries.events_of`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("events_of_task"), task_id, after_version, limit, tenant
            )
        return [logged(dict(row)) for row in rows]

    async def page(self, after: LogCursor, limit: int, chosen: LogFilter) -> LogPage:
        """See `domain.ports.HistoryQueries.page`."""
        async with self._database.connection() as connection:
            return await read_page(connection, after, limit, chosen)

    async def outcome(self, task_id: UUID) -> dict[PayloadKind, bytes]:
        """See `domain.ports.HistoryQueries.outcome`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("outcome"), task_id)
        return {PayloadKind(row["kind"]): row["body"] for row in rows}


async def read_page(
    connection: Connection, after: LogCursor, limit: int, chosen: LogFilter
) -> LogPage:
    """Read a page of the whole log; see `domain.ports.HistoryQueries.page`."""
    if chosen.correlation_id is not None:
        rows = await connection.fetch(
            statement("log_page_of_correlation"),
            *_values(after),
            limit,
            chosen.correlation_id,
            *_criteria(chosen),
        )
        return _page(rows, limit, after if not rows else _cursor(rows[-1]), complete=True)
    if chosen != LogFilter(tenant=chosen.tenant):
        return await _scan(connection, after, max(limit, SCANNED_EVENTS), limit, chosen)
    # A tenant that has the log to itself finds its page at once, and others look further.
    scan = limit
    while True:
        page = await _scan(connection, after, scan, limit, chosen)
        if page.complete or len(page.events) == limit or scan >= SCANNED_EVENTS:
            return page
        scan = min(SCANNED_EVENTS, scan * WIDENING)


async def _scan(
    connection: Connection, after: LogCursor, scan: int, limit: int, chosen: LogFilter
) -> LogPage:
    """Return what a filter lets through of the next `scan` events, up to `limit` of them."""
    window = await connection.fetchrow(statement("log_window"), *_values(after), scan)
    if window is None:
        return LogPage((), after, complete=True)
    # The page lies inside the window that was seen complete, whatever commits in between.
    end = LogCursor(window["xid"], window["position"])
    rows = await connection.fetch(
        statement("log_page"), *_values(after), *_values(end), limit, *_criteria(chosen)
    )
    return _page(rows, limit, end, complete=window["events"] < scan)


def logged(fields: dict[str, Any]) -> LoggedEvent:
    """Return the event of a row that also has `contents` and `leaf_number`."""
    contents: Iterable[str] | None = fields.pop("contents")
    leaf = fields.pop("leaf_number")
    return LoggedEvent(StoredEvent(**fields), frozenset(map(PayloadKind, contents or ())), leaf)


def _page(rows: Sequence[asyncpg.Record], limit: int, end: LogCursor, *, complete: bool) -> LogPage:
    """Return a page of rows; where they do not fill it, it reaches as far as was looked."""
    events = [logged(dict(row)) for row in rows]
    if len(rows) < limit:
        return LogPage(events, end, complete)
    return LogPage(events, _cursor(rows[-1]), complete=False)


def _cursor(row: asyncpg.Record) -> LogCursor:
    return LogCursor(row["xid"], row["position"])


def _values(cursor: LogCursor) -> tuple[str, int]:
    return str(cursor.xid), cursor.position


def _criteria(
    chosen: LogFilter,
) -> tuple[list[str] | None, datetime | None, datetime | None, str | None]:
    types = None if chosen.types is None else sorted(chosen.types)
    return types, chosen.since, chosen.until, chosen.tenant
