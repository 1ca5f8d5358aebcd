"""`python -m service.audit reproduce TASK…` or `--sample N`: make recorded runs again.

Runs the recorded circuit with the recorded seed, method and options, compares the outcomes shot by
shot as far as they were kept, and appends what came of it to the task: `ResultReproduced`, or
`ResultDiverged` with the total variation distance and whatever is not as it was: versions,
processor, options. Nothing of the result changes. Ends with 0 when every run came out as before,
with 1 when one did not or its contents were altered, with 2 when one could not be compared.
"""

import argparse
import asyncio
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from domain.errors import InvalidEvent, KetlogError, TransitionRefused
from domain.execution import RunOptions, RunRequest, RunSucceeded
from domain.log import Append, Appended, RecordedEvent
from domain.task import Compare, decide, fold
from infrastructure.group_commit import GroupCommit
from infrastructure.postgres.connect import Database
from infrastructure.postgres.contents import PostgresContents
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.statements import statement
from infrastructure.quantum.limits import EngineLimits, InvalidLimitError
from infrastructure.quantum.pool import PoolClosed, SimulatorDied, SimulatorPool
from infrastructure.settings import Settings, read_settings
from service.audit.report import CANNOT_LOOK, NOTHING_WRONG, SOMETHING_WRONG, complain, say
from service.audit.rerun import Altered, CannotRerun, Recorded, compare, recorded_run

APPLICATION_NAME = "ketlog reproduce"
APPEND_SECONDS = 30.0
TRIES = 5
MOST_SLOTS = 4
_TROUBLE = (KetlogError, SimulatorDied, PoolClosed, InvalidLimitError, OSError)
_PROBE = RunRequest("OPENQASM 3; qubit q; measure q;", RunOptions(shots=1, seed=1))


@dataclass(slots=True)
class Counts:
    """How the runs came out.

    Attributes:
        altered: tasks whose contents are not what was recorded.
        failed: tasks of which nothing could be said.
    """

    reproduced: int = 0
    diverged: int = 0
    explained: int = 0
    altered: int = 0
    failed: int = 0

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        if self.diverged or self.altered:
            return SOMETHING_WRONG
        return CANNOT_LOOK if self.failed else NOTHING_WRONG


class Reproduction:
    """Makes runs again and records what comes of it.

    Args:
        simulators: started; as many runs are under way as it has slots.

    Attributes:
        counts: how the runs came out.
    """

    def __init__(self, database: Database, simulators: SimulatorPool) -> None:
        self._log = PostgresEventLog(database)
        self._contents = PostgresContents(database)
        self._commits = GroupCommit(self._log)
        self._simulators = simulators
        self._actor = f"audit/{socket.gethostname()}-{os.getpid()}"
        self.counts = Counts()

    async def run(self, task_ids: Sequence[UUID]) -> None:
        """Make the runs of some tasks again.

        Raises:
            KetlogError: the database is away, or the simulators do not work.
        """
        await self._commits.start()
        try:
            engine = await self._engine()
            waiting = iter(task_ids)
            places = range(self._simulators.slots)
            await asyncio.gather(*(self._each(waiting, engine) for _ in places))
        finally:
            await self._commits.close()

    async def _engine(self) -> Mapping[str, Any]:
        """Return versions and processor of the simulators."""
        outcome = await self._simulators.submit(_PROBE).outcome
        if not isinstance(outcome, RunSucceeded):
            raise CannotRerun(f"the simulators do not work: {outcome.message}")
        return {name: outcome.execution[name] for name in ("versions", "cpu")}

    async def _each(self, waiting: Iterator[UUID], engine: Mapping[str, Any]) -> None:
        for task_id in waiting:
            await self._one(task_id, engine)

    async def _one(self, task_id: UUID, engine: Mapping[str, Any]) -> None:
        try:
            recorded = await self._recorded(task_id)
            try:
                outcome = await self._simulators.submit(recorded.request).outcome
            except SimulatorDied as death:
                raise CannotRerun(f"the simulator ended in mid-run: {death}") from None
            comparison = compare(recorded, outcome, engine)
            await self._append(task_id, comparison)
        except (CannotRerun, TransitionRefused) as error:
            self.counts.failed += 1
            say(f"NOT COMPARED: task {task_id}: {error}")
        except (Altered, InvalidEvent) as error:
            self.counts.altered += 1
            say(f"ALTERED: task {task_id}: {error}")
        else:
            self._say(task_id, recorded, comparison)

    async def _recorded(self, task_id: UUID) -> Recorded:
        contents = {payload.kind: payload for payload in await self._contents.of(task_id)}
        timeout = self._simulators.limits.max_timeout_seconds
        return recorded_run(await self._events(task_id), contents, timeout)

    async def _events(self, task_id: UUID) -> Sequence[RecordedEvent]:
        history = (await self._log.histories([task_id])).get(task_id)
        if history is None:
            raise CannotRerun("there is no such task")
        return history.events

    async def _append(self, task_id: UUID, comparison: Compare) -> None:
        """Note the comparison behind whatever was noted meanwhile."""
        for _ in range(TRIES):
            task = fold(await self._events(task_id))
            if task is None:
                raise CannotRerun("there is no such task")
            append = Append(
                task_id,
                task.version,
                decide(task, comparison),
                task.metadata.followed_by(self._actor, task.last_event_id),
            )
            if isinstance(await self._commits.append(append, APPEND_SECONDS), Appended):
                return
        raise CannotRerun("others compare this task all the time; try again")

    def _say(self, task_id: UUID, recorded: Recorded, comparison: Compare) -> None:
        execution = recorded.completion.execution
        run = f"task {task_id}: {execution['shots']} shots, {execution['method']}"
        if comparison.divergence is None:
            self.counts.reproduced += 1
            say(f"REPRODUCED: {run}, seed {execution['seed']}")
            return
        self.counts.diverged += 1
        self.counts.explained += bool(comparison.differences)
        say(f"DIVERGED: {run}: {comparison.divergence}; distance {comparison.distance:.4f}")
        for name, values in comparison.differences.items():
            say(f"    {name} was {values['recorded']} and is {values['present']}")
        if not comparison.differences:
            say("    versions, processor and options are the same: nothing explains it")


async def sample(database: Database, count: int) -> list[UUID]:
    """Return completed tasks at random, evenly over methods and ways of drawing shots."""
    async with database.connection() as connection:
        rows = await connection.fetch(statement("sample_completed"), count)
    return [row["task_id"] for row in rows]


async def _reproduce(
    settings: Settings, limits: EngineLimits, options: argparse.Namespace
) -> Counts:
    database = Database(settings.database_url, size=4, application_name=APPLICATION_NAME)
    simulators = SimulatorPool(options.jobs, limits, spares=0)
    try:
        task_ids = options.tasks or await sample(database, options.sample)
        await simulators.start()
        reproduction = Reproduction(database, simulators)
        await reproduction.run(task_ids)
        return reproduction.counts
    finally:
        await simulators.close()
        await database.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    settings = read_settings(Settings)
    try:
        limits = EngineLimits.from_environment(os.environ)
        counts = asyncio.run(_reproduce(settings, limits, options))
    except (*_TROUBLE, asyncpg.PostgresError) as error:
        complain(f"The runs could not be made again: {error}")
        return CANNOT_LOOK
    except KeyboardInterrupt:
        complain("Interrupted; what was compared is recorded.")
        return CANNOT_LOOK
    said = [f"{counts.reproduced:,} reproduced"]
    if counts.diverged:
        said.append(f"{counts.diverged:,} diverged, {counts.explained:,} of them explained")
    if counts.altered:
        said.append(f"{counts.altered:,} altered")
    if counts.failed:
        said.append(f"{counts.failed:,} not compared")
    say(f"{'OK' if counts.exit_code == NOTHING_WRONG else 'NOT OK'}: {'; '.join(said)}.")
    return counts.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit reproduce", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("tasks", type=UUID, nargs="*", default=[], metavar="TASK", help="task ids")
    which.add_argument(
        "--sample", type=_positive, metavar="N", help="so many completed tasks at random"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 65),
        default=min(MOST_SLOTS, os.cpu_count() or 1),
        metavar="N",
        help=f"number of simulators (default: one a processor, at most {MOST_SLOTS})",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
