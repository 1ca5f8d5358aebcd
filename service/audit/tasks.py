"""`python -m service.audit tasks --as-of TIME`: the tasks that there were, as they stood then.

The newest submission first. Without a time, as they stand now by the database's clock: the one of
this host may be wrong. Ends with 0, or with 2 when the log cannot be read.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from domain.cloudevents import moment
from domain.errors import KetlogError
from domain.status import Status
from infrastructure.postgres.audit import HIGHEST
from infrastructure.postgres.connect import Connection, connect, translated_errors
from infrastructure.postgres.statements import statement
from infrastructure.settings import Settings, read_settings
from service.audit.report import CANNOT_LOOK, NOTHING_WRONG, complain, say

PAGE_TASKS = 1_000
DEFAULT_LIMIT = 50


class Standing(NamedTuple):
    """Where a task stood."""

    task_id: UUID
    submitted_at: datetime
    status: str
    since: datetime
    note: str
    version: int


async def tasks_as_of(connection: Connection, time: datetime) -> AsyncIterator[Standing]:
    """Yield the tasks that had been submitted by a time, the newest first."""
    submitted_at, task_id = time, HIGHEST
    while True:
        rows = await connection.fetch(
            statement("tasks_as_of"), time, submitted_at, task_id, PAGE_TASKS
        )
        for row in rows:
            yield Standing(*row)
        if len(rows) < PAGE_TASKS:
            return
        submitted_at, task_id = rows[-1]["submitted_at"], rows[-1]["task_id"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    settings = read_settings(Settings)
    try:
        asyncio.run(_show(settings.database_url, options))
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        complain(f"The log cannot be read: {error}")
        return CANNOT_LOOK
    return NOTHING_WRONG


async def _show(dsn: str, options: argparse.Namespace) -> None:
    connection = await connect(dsn, "ketlog tasks")
    counts: Counter[str] = Counter()
    try:
        async with translated_errors():
            as_of = options.as_of or await connection.fetchval(statement("database_time"))
            async for task in tasks_as_of(connection, as_of):
                if options.status not in {None, task.status}:
                    continue
                counts[task.status] += 1
                if counts.total() <= options.limit:
                    say(
                        f"{task.task_id}  {moment(task.submitted_at)}  {task.status:<10}  "
                        f"since {moment(task.since)}  {task.note}"
                    )
    finally:
        connection.terminate()
    summary = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    say(f"{counts.total():,} tasks as of {moment(as_of)}: {summary or 'none'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit tasks", description=__doc__)
    parser.add_argument("--as-of", type=_time, metavar="TIME", help="RFC 3339")
    parser.add_argument("--status", type=Status, choices=list(Status), help="only those")
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"show so many, count the others (default: {DEFAULT_LIMIT})",
    )
    return parser


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time.astimezone(UTC)
