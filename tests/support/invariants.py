"""What must hold of a log after whatever was done to the system."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from domain.codec import recorded
from domain.errors import KetlogError
from domain.events import Event, ProcessingStarted, TaskCompleted, TaskFailed, TaskRequeued
from domain.hashing import GENESIS, event_hash
from domain.log import StoredEvent
from domain.task import Task, fold

TERMINAL_EVENTS = frozenset({"TaskCompleted", "TaskFailed", "TaskCancelled"})
NAMED = 3
EVENTS = """
    SELECT position, xid::text::bigint AS xid, event_id, task_id, version, type,
        schema_version, data, metadata, recorded_at, hash
    FROM events ORDER BY task_id, version
"""


@dataclass
class Findings:
    """A log, and what is wrong with it.

    Attributes:
        lost: accepted tasks without an end, or without anything.
        doubled: tasks with more than one end.
        wrong: everything that must not be, in words; empty when all is well.
        streams: the events of each task.
        tasks: each task that can be folded.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    streams: Mapping[str, Sequence[StoredEvent]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    def add(self, what: str, which: Collection[str]) -> None:
        """Note what is wrong with some tasks, if there are any."""
        if which:
            named = ", ".join(sorted(which)[:NAMED]) + (", …" if len(which) > NAMED else "")
            self.wrong.append(f"{len(which)} {what}: {named}")


async def check(connection: asyncpg.Connection, accepted: Collection[str]) -> dict[str, Task]:
    """Check the whole log against what clients were told; returns every task by id.

    Every accepted task ended exactly once; nothing exists that was not accepted; versions are
    dense; hashes chain; the projection equals the fold; nothing waits and nothing is leased.
    """
    assert len(set(accepted)) == len(accepted), "one id was given to two submissions"
    findings = await look(connection, accepted)
    assert not findings.wrong, findings.wrong
    return findings.tasks


async def look(
    connection: asyncpg.Connection, accepted: Collection[str], possible: Collection[str] = ()
) -> Findings:
    """Look for everything that `check` checks.

    Args:
        possible: tasks that may exist though nobody was told so; they have to end as well.
    """
    findings = Findings(streams=await _streams(connection))
    ends = {
        task_id: sum(stored.type in TERMINAL_EVENTS for stored in stream)
        for task_id, stream in findings.streams.items()
    }
    findings.lost = [task_id for task_id in accepted if not ends.get(task_id)]
    findings.doubled = [task_id for task_id, count in ends.items() if count > 1]
    findings.add("accepted tasks are lost", findings.lost)
    findings.add("tasks ended twice", findings.doubled)
    known = {*accepted, *possible}
    findings.add("tasks exist that nobody was promised", ends.keys() - known)
    findings.add(
        "tasks of an unknown outcome did not end",
        {task_id for task_id, count in ends.items() if not count and task_id not in findings.lost},
    )
    for table in ("outbox", "leases"):
        rows = await connection.fetch(f"SELECT task_id FROM {table}")
        findings.add(f"rows are left in {table}", [str(row["task_id"]) for row in rows])
    _read(findings)
    rows = await connection.fetch("SELECT * FROM tasks")
    findings.add(
        "tasks are not in the projection as their events make them", {*_other(findings, rows)}
    )
    return findings


async def _streams(connection: asyncpg.Connection) -> dict[str, list[StoredEvent]]:
    streams: dict[str, list[StoredEvent]] = {}
    for row in await connection.fetch(EVENTS):
        streams.setdefault(str(row["task_id"]), []).append(StoredEvent(**row))
    return streams


def _read(findings: Findings) -> None:
    """Fold every stream, and look at its versions and hashes."""
    gaps, broken, senseless, stale = [], [], [], []
    for task_id, stream in findings.streams.items():
        if [stored.version for stored in stream] != list(range(1, len(stream) + 1)):
            gaps.append(task_id)
        previous = GENESIS
        for stored in stream:
            if stored.hash != event_hash(previous, stored):
                broken.append(task_id)
                break
            previous = stored.hash
        try:
            events = [recorded(stored) for stored in stream]
            task = fold(events)
        except KetlogError:
            task = None
        else:
            if _ends_another_attempt([each.event for each in events]):
                stale.append(task_id)
        if task is None:
            senseless.append(task_id)
        else:
            findings.tasks[task_id] = task
    findings.add("tasks have gaps in their versions", gaps)
    findings.add("tasks have a broken hash chain", broken)
    findings.add("tasks have events that make no sense", senseless)
    findings.add("tasks have the outcome of an attempt that was over", stale)


def _ends_another_attempt(events: Sequence[Event]) -> bool:
    """Tell whether an outcome is not the one of the attempt that was begun last."""
    begun = 0
    for event in events:
        if isinstance(event, ProcessingStarted):
            begun = event.attempt
        elif (
            isinstance(event, TaskCompleted | TaskFailed | TaskRequeued) and event.attempt != begun
        ):
            return True
    return False


def _other(findings: Findings, rows: Sequence[asyncpg.Record]) -> Iterator[str]:
    """Yield the tasks whose row is not what their events amount to, and those without one."""
    yield from findings.tasks.keys() - {str(row["task_id"]) for row in rows}
    for row in rows:
        task_id = str(row["task_id"])
        task = findings.tasks.get(task_id)
        if task is None or (
            row["version"],
            row["current_status"],
            row["attempt"],
            row["started_at"],
            row["completed_at"],
            row["error_message"],
        ) != (
            task.version,
            task.status,
            task.attempt,
            task.started_at,
            task.completed_at,
            task.error_message,
        ):
            yield task_id
