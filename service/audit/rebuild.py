"""`python -m service.audit rebuild`: make the projections anew from the log.

Folds every task's events through the domain into a shadow of the table `tasks`, while the system
runs; catches up with what it wrote meanwhile; and swaps the tables in one short transaction. Rows
of the outbox that are wrong are mended with it, leases are left alone. An interrupted rebuild goes
on where it was when the command is given again. It needs the owner's database URL
(ADMIN_DATABASE_URL, or else DATABASE_URL). Ends with 0 when the projections are new, with 1 when
the log has events that cannot be, with 2 when something else prevented it; then they are as before.
"""

import argparse
import asyncio
import os
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import asyncpg

from domain.errors import KetlogError
from infrastructure.postgres import rebuild
from infrastructure.postgres.audit import HIGHEST
from infrastructure.postgres.connect import Connection, connect_as_owner, translated_errors
from infrastructure.postgres.rebuild import CAUGHT_UP_TASKS, CannotRebuild, Swapped, fill_range
from service.audit.findings import Finding, Kind
from service.audit.owner import owner_url
from service.audit.progress import Progress
from service.audit.report import CANNOT_LOOK, NOTHING_WRONG, SOMETHING_WRONG, complain, say
from service.audit.workers import Job, over_ranges

APPLICATION_NAME = "ketlog rebuild"
MOST_PROCESSES = 2
ROUNDS = 100
SWAP_TRIES = 30
PAUSE_SECONDS = 0.5


class BrokenLog(KetlogError):
    """The log has events that no commands can have caused."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("events of the log cannot be folded")
        self.findings = findings


@dataclass(slots=True)
class Rebuild:
    """One rebuild.

    Args:
        dsn: of the owner of the tables.
        processes: how many fold at the same time.
        anew: do not go on with an interrupted one.

    Attributes:
        tasks: so many were folded by this command, not counting what it caught up with.
        filled: how fast, for people.
        swapped: how the new table took the old one's place; `None` until it did.
    """

    dsn: str
    processes: int
    anew: bool = False
    tasks: int = 0
    filled: str = ""
    swapped: Swapped | None = None
    progress: Progress = field(default_factory=lambda: Progress("events folded"))

    async def run(self) -> None:
        """Build, catch up and swap.

        Raises:
            BrokenLog, CannotRebuild: nothing was swapped.
            KetlogError, asyncpg.PostgresError, OSError: the database is away; nothing was swapped.
        """
        connection = await connect_as_owner(self.dsn, APPLICATION_NAME)
        try:
            async with translated_errors(), rebuild.alone(connection):
                await self._run(connection)
        finally:
            connection.terminate()

    async def _run(self, connection: Connection) -> None:
        begun = await rebuild.begin(connection, anew=self.anew)
        if not begun.is_filled:
            await self._fill(connection, begun.next_task)
            await rebuild.index(connection)
        self.filled = self.progress.done()
        cursor = begun.cursor
        for _ in range(ROUNDS):
            cursor, changed = await rebuild.catch_up(connection, cursor)
            if changed <= CAUGHT_UP_TASKS:
                break
        for attempt in range(SWAP_TRIES):
            try:
                self.swapped = await rebuild.swap(connection, cursor)
            except asyncpg.LockNotAvailableError:
                if attempt == 0:
                    complain("waiting for somebody who holds the table tasks …")
                await asyncio.sleep(PAUSE_SECONDS)
                cursor, _ = await rebuild.catch_up(connection, cursor)
            else:
                return
        raise CannotRebuild(
            "the table tasks was never free for a moment; end the long transaction that holds it "
            "(pg_stat_activity) and give the command again"
        )

    async def _fill(self, connection: Connection, first: UUID) -> None:
        job = Job(partial(connect_as_owner, self.dsn, APPLICATION_NAME), fill_range)
        findings: list[Finding] = []
        async for (_, last), filled in over_ranges(connection, job, self.processes, first):
            findings += [
                Finding(Kind.IMPOSSIBLE, broken.why, broken.task_id, broken.version)
                for broken in filled.broken
            ]
            self.tasks += filled.tasks
            self.progress.advance(filled.events)
            if last != HIGHEST and not findings:
                await rebuild.filled_below(connection, UUID(int=last.int + 1))
        if findings:
            await rebuild.drop(connection)
            raise BrokenLog(findings)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    made = Rebuild(owner_url(), options.jobs, options.restart)
    try:
        asyncio.run(made.run())
    except BrokenLog as error:
        for finding in error.findings:
            say(str(finding))
        broken = f"{len(error.findings):,} tasks have events that cannot be"
        say(f"NOT REBUILT: {broken}. Verify the log.")
        return SOMETHING_WRONG
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        complain(f"The projections were not rebuilt and are as before: {error}")
        return CANNOT_LOOK
    except KeyboardInterrupt:
        complain(f"{made.progress.done()}. Give the command again to go on there.")
        return CANNOT_LOOK
    say(f"{made.filled}, of {made.tasks:,} tasks")
    if made.swapped is not None:
        if made.swapped.mended:
            say(f"{made.swapped.mended:,} rows of the outbox were mended")
        say(f"OK: the projections are new; swapped in {made.swapped.locked_seconds:.3f} s.")
    return NOTHING_WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit rebuild", description=__doc__)
    parser.add_argument(
        "--restart", action="store_true", help="begin anew, not where an interrupted one was"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 65),
        default=min(MOST_PROCESSES, os.cpu_count() or 1),
        metavar="N",
        help=f"number of processes that fold (default: one a processor, at most {MOST_PROCESSES})",
    )
    return parser
