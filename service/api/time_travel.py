"""`GET /tasks/{task_id}?version=` and `?as_of=`: a task as it was.

The answer is the fold of the events up to then: what `GET /tasks/{task_id}` answered at that time,
except for content that was erased since, which is marked.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.codec import recorded
from domain.errors import InvalidEvent
from domain.log import StoredEvent
from domain.ports import EventLog, HistoryQueries, TaskView
from domain.view import view_of
from service.api.answers import moment
from service.api.lookup import no_such_task, unreadable_history
from service.api.problems import FieldProblem, Problem


class Moment(NamedTuple):
    """Up to where a task's events count: as far as all that is given allows."""

    version: int | None
    time: datetime | None


async def view_at(
    log: EventLog, history: HistoryQueries, task_id: UUID, asked: Moment, tenant: str | None
) -> TaskView:
    """Return a task as it was.

    Args:
        tenant: who asks, see `EventLog.stream`.

    Raises:
        Problem: 404, there was no such task, or not yet; 500, its events cannot be read.
        StoreUnavailable: the log cannot be read now.
    """
    stream = await log.stream(task_id, tenant)
    if not stream:
        raise no_such_task(task_id)
    known = _up_to(stream, asked)
    if not known:
        raise _not_yet(task_id, stream, asked)
    try:
        view = view_of([recorded(stored) for stored in known], await history.outcome(task_id))
    except InvalidEvent as error:
        raise unreadable_history(task_id, error) from error
    if view is None:
        raise no_such_task(task_id)
    return view


def _up_to(stream: Sequence[StoredEvent], asked: Moment) -> Sequence[StoredEvent]:
    if asked.version is not None:
        stream = stream[: asked.version] if asked.version <= len(stream) else ()
    if asked.time is not None:
        stream = [stored for stored in stream if stored.recorded_at <= asked.time]
    return stream


def _not_yet(task_id: UUID, stream: Sequence[StoredEvent], asked: Moment) -> Problem:
    if asked.version is not None and asked.version > len(stream):
        return Problem(
            404,
            "no-such-version",
            "Version not found",
            f"Task {task_id} has {len(stream)} events so far. Ask for a version up to that.",
            errors=[FieldProblem("version", f"must be from 1 to {len(stream)}")],
        )
    submitted_at = moment(stream[0].recorded_at)
    return Problem(
        404,
        "not-submitted-yet",
        "Task not found at that time",
        f"Task {task_id} was submitted at {submitted_at}. Ask for that time or a later one.",
        errors=[FieldProblem("as_of", f"is before the submission at {submitted_at}")],
    )
