"""`python -m service.audit replay`: do the projections hold what the log says?

Folds every task's events through the domain and compares the result with the rows of `tasks`,
`outbox` and `leases`, while the system runs: each range of tasks is read from one snapshot. Names
every difference. Ends with 0 when there is none, with 1 when there is, with 2 when it could not
look; then it says how to go on where it was.
"""

import argparse
import asyncio
import os
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import asyncpg

from domain.errors import KetlogError
from infrastructure.postgres.audit import LOWEST, Range
from infrastructure.postgres.connect import Connection, connect, translated_errors
from infrastructure.postgres.folds import Folded, fold_range
from infrastructure.postgres.statements import statement
from infrastructure.settings import Settings, read_settings
from service.audit.comparison import NOTHING, compare, fits, projected, without_events
from service.audit.findings import Finding
from service.audit.progress import Progress
from service.audit.report import CANNOT_LOOK, SHOWN_OF_A_KIND, Report, complain, say
from service.audit.workers import Job, over_ranges

APPLICATION_NAME = "ketlog replay"
MOST_PROCESSES = 2


@dataclass(slots=True)
class Replayed:
    """What came of a range of tasks."""

    tasks: int = 0
    events: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Replay:
    """One pass over the log.

    Args:
        processes: how many fold at the same time.
        first: the task id to begin at.

    Attributes:
        first: where a pass that was interrupted has to go on.
    """

    dsn: str
    processes: int
    report: Report
    first: UUID = LOWEST
    tasks: int = 0
    progress: Progress = field(default_factory=lambda: Progress("events replayed"))

    async def run(self) -> None:
        """Replay everything once.

        Raises:
            KetlogError, asyncpg.PostgresError, OSError: the log cannot be read any more.
        """
        job = Job(partial(connect, self.dsn, APPLICATION_NAME), replay_range)
        connection = await job.connect()
        try:
            async with translated_errors():
                await self._run(connection, job)
        finally:
            connection.terminate()

    async def _run(self, connection: Connection, job: Job[Replayed]) -> None:
        async for (_, last), replayed in over_ranges(connection, job, self.processes, self.first):
            for finding in replayed.findings:
                self.report.show(finding)
            self.tasks += replayed.tasks
            self.progress.advance(replayed.events)
            self.first = UUID(int=min(last.int + 1, 2**128 - 1))


async def replay_range(connection: Connection, tasks: Range) -> Replayed:
    """Compare the projections of a range of tasks with the fold of their events."""
    replayed = Replayed()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(statement("projected_range"), *tasks)
        have = {row["task_id"]: projected(row) for row in rows}
        async for page in fold_range(connection, tasks):
            for outcome in page:
                replayed.tasks += 1
                replayed.events += outcome.events
                row = have.pop(outcome.task_id, NOTHING)
                if not (isinstance(outcome, Folded) and fits(outcome, row)):
                    replayed.findings += compare(outcome, row)
    for task_id, row in have.items():
        replayed.findings += without_events(task_id, row)
    return replayed


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    settings = read_settings(Settings)
    report = Report(show_all=options.all)
    replay = Replay(settings.database_url, options.jobs, report, options.first)
    try:
        asyncio.run(replay.run())
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        complain(f"The log could not be replayed: {error}")
        return _interrupted(replay)
    except KeyboardInterrupt:
        return _interrupted(replay)
    say(f"{replay.progress.done()}, of {replay.tasks:,} tasks")
    return report.conclude("the projections hold what the log says.")


def _interrupted(replay: Replay) -> int:
    if replay.first != LOWEST:
        complain(f"{replay.progress.done()}. To go on there: replay --first {replay.first}")
    return CANNOT_LOOK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit replay", description=__doc__)
    parser.add_argument(
        "--first", type=UUID, default=LOWEST, metavar="TASK", help="go on at this task id"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 65),
        default=min(MOST_PROCESSES, os.cpu_count() or 1),
        metavar="N",
        help=f"number of processes that fold (default: one a processor, at most {MOST_PROCESSES})",
    )
    parser.add_argument(
        "--all", action="store_true", help=f"show more than {SHOWN_OF_A_KIND} findings of a kind"
    )
    return parser
