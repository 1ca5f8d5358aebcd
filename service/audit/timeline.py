"""`python -m service.audit timeline TASK…`: a task's life, for people.

Shows each event with its time, what passed since the one before it, who did what, and whether its
hash is right; then where the time went. Ends with 0 when all hashes are right, with 1 when one is
not, with 2 when the log cannot be read or has no such task.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.text import Text

from domain.cloudevents import moment
from domain.codec import decode, decode_metadata
from domain.contents import erased_contents
from domain.errors import InvalidEvent, KetlogError
from domain.events import (
    Event,
    ProcessingStarted,
    ResultDiverged,
    ResultReproduced,
    TaskCancelled,
    TaskCompleted,
    TaskErased,
    TaskFailed,
    TaskRequeued,
    TaskSubmitted,
)
from domain.hashing import GENESIS, event_hash
from domain.log import LoggedEvent
from domain.projection import error_message
from infrastructure.postgres.connect import Database
from infrastructure.postgres.history import PostgresHistory
from infrastructure.settings import Settings, read_settings
from service.audit.report import CANNOT_LOOK, NOTHING_WRONG, SOMETHING_WRONG, complain

PAGE_EVENTS = 1_000
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_STYLES = {
    "TaskSubmitted": "yellow",
    "ProcessingStarted": "cyan",
    "TaskCompleted": "green",
    "TaskFailed": "red",
    "TaskCancelled": "magenta",
    "TaskRequeued": "yellow",
    "ResultReproduced": "green",
    "ResultDiverged": "red",
    "TaskErased": "magenta",
}


class Entry(NamedTuple):
    """One line of a timeline.

    Attributes:
        after: time since the event before; `None` for the first.
        hash_is_right: whether the event and everything before it is what was recorded.
        what: what happened, in words.
    """

    logged: LoggedEvent
    after: timedelta | None
    hash_is_right: bool
    actor: str
    what: str


def entries(events: Sequence[LoggedEvent]) -> Iterator[Entry]:
    """Yield the timeline of a task's events."""
    previous: LoggedEvent | None = None
    intact = True
    for number, logged in enumerate(events, start=1):
        stored = logged.stored
        before = GENESIS if previous is None else previous.stored.hash
        intact = intact and stored.version == number and event_hash(before, stored) == stored.hash
        after = None if previous is None else stored.recorded_at - previous.stored.recorded_at
        yield Entry(logged, after, intact, _actor(logged), _what(logged))
        previous = logged


def show_timeline(console: Console, task_id: UUID, events: Sequence[LoggedEvent]) -> bool:
    """Print a task's timeline; tells whether all hashes are right."""
    ticks = ("✓", "✗") if (console.encoding or "").lower().startswith("utf") else ("ok", "NO")
    console.print(Text.assemble(("task ", "bold"), str(task_id)), soft_wrap=True)
    lines = list(entries(events))
    widest = max((len(entry.actor) for entry in lines), default=0)
    for entry in lines:
        console.print(_line(entry, ticks, widest), soft_wrap=True)
    for line in _summary(lines):
        console.print(f"  {line}", soft_wrap=True, markup=False)
    return all(entry.hash_is_right for entry in lines)


def duration(passed: timedelta) -> str:
    """Return a duration with three digits that matter, such as `8.12 ms` or `2 h 5 min`."""
    seconds = passed.total_seconds()
    for (size, unit), (smaller, smaller_unit) in zip(_UNITS, (*_UNITS[1:], (1, "s")), strict=True):
        if abs(seconds) >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole:.0f} {unit} {rest // smaller:.0f} {smaller_unit}"
    if abs(seconds) >= 1:
        return f"{seconds:.3g} s"
    return f"{1000 * seconds:.3g} ms"


def _line(entry: Entry, ticks: tuple[str, str], widest: int) -> Text:
    stored = entry.logged.stored
    after = "" if entry.after is None else f"+{duration(entry.after)}"
    return Text.assemble(
        f"  {stored.version:>2}  {moment(stored.recorded_at)}  ",
        (f"{after:>12}  ", "dim"),
        (ticks[0], "green") if entry.hash_is_right else (ticks[1], "bold red"),
        f" {stored.hash.hex()[:12]}  ",
        (f"{stored.type:<17}", _STYLES.get(stored.type, "")),
        f"  {entry.actor:<{widest}}  {entry.what}",
    )


def _summary(lines: Sequence[Entry]) -> Iterator[str]:
    waited = ran = timedelta()
    attempts = 0
    for before, entry in pairwise(lines):
        passed = entry.after or timedelta()
        if before.logged.stored.type in {"TaskSubmitted", "TaskRequeued"}:
            waited += passed
        elif before.logged.stored.type == "ProcessingStarted":
            ran += passed
            attempts += 1
    if len(lines) > 1:
        tries = f" in {attempts} attempts" if attempts > 1 else ""
        yield f"waited {duration(waited)}, ran {duration(ran)}{tries}"
    sealed = sum(entry.logged.leaf is not None for entry in lines)
    if sealed == len(lines):
        yield f"all {sealed} events are sealed"
    else:
        yield f"{sealed} of {len(lines)} events are sealed so far"
    wrong = next((entry for entry in lines if not entry.hash_is_right), None)
    if wrong is not None:
        version = wrong.logged.stored.version
        yield f"from version {version} on the hashes are not right: `verify` tells what was done"


def _actor(logged: LoggedEvent) -> str:
    try:
        return decode_metadata(logged.stored.metadata).actor
    except InvalidEvent:
        return "?"


def _what(logged: LoggedEvent) -> str:
    stored = logged.stored
    try:
        said = _said(decode(stored.type, stored.schema_version, stored.data))
    except InvalidEvent as error:
        said = str(error)
    gone = erased_contents(stored, logged.contents)
    return f"{said} (erased: {', '.join(gone)})" if gone else said


def _said(event: Event) -> str:  # noqa: C901, PLR0911 - one for each type of event
    match event:
        case TaskSubmitted(options=options, circuit=circuit):
            seed = "" if options.seed is None else f", seed {options.seed}"
            return f"{options.shots} shots, {options.method}{seed}, circuit of {circuit.size} bytes"
        case ProcessingStarted(attempt=attempt, worker_id=worker_id):
            return f"attempt {attempt} on {worker_id}"
        case TaskCompleted(attempt=attempt, execution=execution):
            method, seed = execution.get("method", "?"), execution.get("seed", "?")
            return f"attempt {attempt}: {method}, seed {seed}"
        case TaskFailed(attempt=attempt, code=code):
            return f"attempt {attempt}: {code}: {error_message(event)}"
        case TaskCancelled(reason=reason):
            return reason
        case TaskRequeued(reason=reason, detail=detail) if not reason.ends_attempt:
            return f"sent again: {reason}: {detail}"
        case TaskRequeued(attempt=attempt, reason=reason, detail=detail):
            return f"attempt {attempt} given up: {reason}: {detail}"
        case ResultReproduced():
            return "the run was made again: the same outcomes"
        case ResultDiverged(distance=distance, detail=detail):
            why = "versions explain it" if event.explained else "nothing explains it"
            return f"the run was made again: {detail}, distance {distance:.4f}; {why}"
        case TaskErased(contents=contents):
            return f"contents removed: {', '.join(contents)}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    settings = read_settings(Settings)
    try:
        found = asyncio.run(_read(settings.database_url, options.tasks))
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        complain(f"The log cannot be read: {error}")
        return CANNOT_LOOK
    console = Console(highlight=False)
    exit_code = NOTHING_WRONG
    for task_id in options.tasks:
        if not found[task_id]:
            complain(f"There is no task {task_id}; its id is in the answer to the submission.")
            exit_code = max(exit_code, CANNOT_LOOK)
        elif not show_timeline(console, task_id, found[task_id]):
            exit_code = max(exit_code, SOMETHING_WRONG)
    return exit_code


async def _read(dsn: str, task_ids: Sequence[UUID]) -> dict[UUID, list[LoggedEvent]]:
    database = Database(dsn, size=2, application_name="ketlog timeline")
    history = PostgresHistory(database)
    try:
        return {task_id: [e async for e in _events(history, task_id)] for task_id in task_ids}
    finally:
        await database.close()


async def _events(history: PostgresHistory, task_id: UUID) -> AsyncIterator[LoggedEvent]:
    version = 0
    while page := await history.events_of(task_id, version, PAGE_EVENTS):
        for logged in page:
            yield logged
        version = page[-1].stored.version


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit timeline", description=__doc__)
    parser.add_argument("tasks", type=UUID, nargs="+", metavar="TASK", help="task ids")
    return parser
