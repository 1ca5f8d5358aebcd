"""Makes the projections anew beside the live ones, and swaps them in.

    begin ──► fill, range by range ──► index ──► catch up, again and again ──► swap
                 └─ goes on there after an interruption ─┘

The shadow lives in a schema of its own. While it is filled the system writes on; what it wrote is
found by the order of the log and folded again. The swap locks `tasks`, folds the last few tasks,
and exchanges the tables: readers and writers that wait for the lock go on with the new one, since
PostgreSQL looks the name up again. Leases are never touched; of the outbox only the rows that are
wrong.
"""

import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from domain import __version__
from domain.errors import KetlogError
from domain.log import LogCursor
from infrastructure.postgres.audit import Range
from infrastructure.postgres.connect import Connection
from infrastructure.postgres.folds import Broken, Folded, Outcome, TaskRow, fold_range, fold_tasks
from infrastructure.postgres.statements import statement

SHADOW = "ketlog_rebuild"
FOLDED_AT_ONCE = 500
CAUGHT_UP_TASKS = 100
"""So few tasks are left for the swap, which holds everybody up while it folds them."""
STALE_AT_ONCE = 10_000
_LOCK_KEY = 0x7265_6275_696C_64  # "rebuild": one at a time in each database


class CannotRebuild(KetlogError):
    """The projections stay as they are; the message says why and what to do."""


@dataclass(slots=True)
class Filled:
    """What a range of tasks came to.

    Attributes:
        broken: streams that cannot be folded.
    """

    tasks: int = 0
    events: int = 0
    broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the shadow is.

    Attributes:
        next_task: all tasks below this id are in it.
        is_filled: all tasks that there were are in it.
        cursor: up to here in the log it is caught up.
    """

    next_task: UUID
    is_filled: bool
    cursor: LogCursor


@dataclass(frozen=True, slots=True)
class Swapped:
    """How the shadow took its place.

    Attributes:
        mended: so many rows of the outbox were wrong.
        locked_seconds: so long nobody could read or write tasks.
    """

    mended: int
    locked_seconds: float


@asynccontextmanager
async def alone(connection: Connection) -> AsyncIterator[None]:
    """Keep other rebuilds of this database out.

    Raises:
        CannotRebuild: one is under way.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
        raise CannotRebuild("another rebuild of this database is under way; wait for its end")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock_all()")


async def begin(connection: Connection, *, anew: bool = False) -> Progress:
    """Make the shadow, or find the one that an interrupted rebuild has left.

    Args:
        anew: drop that one.

    Raises:
        CannotRebuild: something holds on to the table that is to be replaced.
    """
    obstacles = await connection.fetch(statement("rebuild_obstacles"))
    if obstacles:
        names = ", ".join(row[0] for row in obstacles)
        raise CannotRebuild(f"these hold on to the table tasks itself, drop them before: {names}")
    await connection.execute(statement("rebuild_drop_retired"))
    if not anew and (progress := await _progress(connection)) is not None:
        await connection.execute(statement("rebuild_resume"))
        return progress
    await drop(connection)
    async with connection.transaction():
        await connection.execute(statement("rebuild_begin"))
        await connection.execute(statement("rebuild_made_by"), __version__)
    made = await _progress(connection)
    if made is None:
        raise CannotRebuild("the shadow that was just made is gone; was it dropped?")
    return made


async def drop(connection: Connection) -> None:
    """Give up what was built so far."""
    await connection.execute(statement("rebuild_drop"))


async def fill_range(connection: Connection, tasks: Range) -> Filled:
    """Fold a range of tasks into the shadow."""
    filled = Filled()
    async with connection.transaction():
        async for outcomes in fold_range(connection, tasks):
            filled.tasks += len(outcomes)
            filled.events += sum(outcome.events for outcome in outcomes)
            filled.broken += _broken(outcomes)
            await _copy(connection, outcomes)
    return filled


async def filled_below(connection: Connection, next_task: UUID) -> None:
    """Remember that all tasks below this id are in the shadow."""
    await connection.execute(statement("rebuild_filled_below"), next_task)


async def index(connection: Connection) -> None:
    """Make the filled shadow ready to be caught up and read."""
    async with connection.transaction():
        await connection.execute(statement("rebuild_index"))


async def catch_up(connection: Connection, cursor: LogCursor) -> tuple[LogCursor, int]:
    """Fold the tasks again that have more events by now.

    Returns:
        Up to where in the log the shadow is caught up, and how many tasks were folded.

    Raises:
        CannotRebuild: a stream cannot be folded.
    """
    barrier = await connection.fetchrow(statement("rebuild_barrier"))
    stale = await _stale(connection, cursor, STALE_AT_ONCE)
    await _refold(connection, stale)
    if barrier is None or len(stale) == STALE_AT_ONCE:
        return cursor, len(stale)
    reached = max(cursor, LogCursor(barrier["xid"], barrier["position"]))
    await connection.execute(statement("rebuild_caught_up"), str(reached.xid), reached.position)
    return reached, len(stale)


async def swap(connection: Connection, cursor: LogCursor) -> Swapped:
    """Put the shadow in the place of the live table.

    Raises:
        asyncpg.LockNotAvailableError: somebody reads or writes for long; nothing has happened.
        CannotRebuild: a stream cannot be folded.
    """
    # What is wrong with the outbox now stays wrong; appends alone never make it so.
    suspects = await connection.fetch(statement("rebuild_outbox_differences"), None)
    async with connection.transaction():
        await connection.execute(statement("rebuild_lock"))
        locked_at = time.monotonic()
        stale = await _stale(connection, cursor, None)
        await _refold(connection, stale)
        mended = await _mend_outbox(connection, {row["task_id"] for row in suspects})
        await connection.execute(statement("rebuild_swap"))
    swapped = Swapped(mended, time.monotonic() - locked_at)
    await connection.execute(statement("rebuild_drop_retired"))
    return swapped


async def _progress(connection: Connection) -> Progress | None:
    try:
        row = await connection.fetchrow(statement("rebuild_progress"))
    except (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError):
        return None
    if row is None or row["made_by"] != __version__:
        return None
    cursor = LogCursor(row["xid"], row["position"])
    return Progress(row["next_task"], row["is_filled"], cursor)


async def _stale(connection: Connection, cursor: LogCursor, limit: int | None) -> list[UUID]:
    rows = await connection.fetch(
        statement("rebuild_stale"), str(cursor.xid), cursor.position, limit
    )
    return [row["task_id"] for row in rows]


async def _refold(connection: Connection, task_ids: Sequence[UUID]) -> None:
    for begin_at in range(0, len(task_ids), FOLDED_AT_ONCE):
        some = task_ids[begin_at : begin_at + FOLDED_AT_ONCE]
        outcomes = await fold_tasks(connection, some)
        broken = _broken(outcomes)
        if broken:
            raise CannotRebuild(
                f"task {broken[0].task_id}, version {broken[0].version}: {broken[0].why}"
            )
        async with connection.transaction():
            await connection.execute(statement("rebuild_forget"), some)
            await _copy(connection, outcomes)


async def _copy(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    rows = [outcome.row for outcome in outcomes if isinstance(outcome, Folded)]
    if rows:
        await connection.copy_records_to_table(
            "tasks", schema_name=SHADOW, records=rows, columns=TaskRow._fields
        )


async def _mend_outbox(connection: Connection, suspects: Collection[UUID]) -> int:
    if not suspects:
        return 0
    rows = await connection.fetch(statement("rebuild_outbox_differences"), list(suspects))
    wrong = [row["task_id"] for row in rows]
    await connection.execute(statement("rebuild_unqueue"), wrong)
    await connection.execute(statement("rebuild_outbox"), wrong)
    return len(wrong)


def _broken(outcomes: Iterable[Outcome]) -> list[Broken]:
    return [outcome for outcome in outcomes if isinstance(outcome, Broken)]
