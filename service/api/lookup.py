"""What every endpoint that looks something up needs: ids from paths, time limits, "not found"."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar
from uuid import UUID

from starlette.types import Scope

from domain.codec import recorded
from domain.errors import InvalidEvent, StoreUnavailable
from domain.log import RecordedEvent
from domain.ports import EventLog
from domain.task import Task, fold
from service.api.parameters import uuid
from service.api.problems import FieldProblem, Problem, invalid_request

T = TypeVar("T")


async def within(seconds: float, reading: Awaitable[T]) -> T:
    """Wait for a read of the store.

    Raises:
        StoreUnavailable: it took longer than this.
    """
    try:
        async with asyncio.timeout(seconds):
            return await reading
    except TimeoutError:
        raise StoreUnavailable("the store did not answer in time") from None


async def load_task(
    log: EventLog, task_id: UUID, tenant: str | None, seconds: float
) -> tuple[Sequence[RecordedEvent], Task]:
    """Return a task's events, and the task as they make it.

    Args:
        tenant: to whom the tasks of others are unknown; `None` for whoever sees all.

    Raises:
        Problem: 404, there is no such task; 500, its events cannot be read.
        StoreUnavailable: the log cannot be read in time.
    """
    stream = await within(seconds, log.stream(task_id, tenant))
    try:
        events = tuple(map(recorded, stream))
        task = fold(events)
    except InvalidEvent as error:
        raise unreadable_history(task_id, error) from error
    if task is None:
        raise no_such_task(task_id)
    return events, task


def task_id_of(scope: Scope) -> UUID:
    """Return the task id in a request's path; raises `Problem` (422) if it is none."""
    return _uuid_of(scope, "task_id")


def batch_id_of(scope: Scope) -> UUID:
    """Return the batch id in a request's path; raises `Problem` (422) if it is none."""
    return _uuid_of(scope, "batch_id")


def no_such_task(task_id: UUID) -> Problem:
    """Return the answer to a question about a task that does not exist."""
    return Problem(
        404,
        "no-such-task",
        "Task not found",
        f"There is no task {task_id}. Its id is in the answer to the submission.",
        errors=[FieldProblem("task_id", "is not the id of any task")],
    )


def has_not_ended(task: Task, wanted: str) -> Problem:
    """Return the answer to who wants something of a task that it must have ended for.

    Args:
        wanted: what is to be done to it, as a participle.
    """
    return Problem(
        409,
        "task-has-not-ended",
        "Task has not ended",
        f"Task {task.task_id} is {task.status}; only a task that has ended can be {wanted}. "
        f"Cancel it with POST /tasks/{task.task_id}/cancel, or wait for its end.",
        members={"task_id": str(task.task_id), "current_status": task.status},
    )


def was_erased(task: Task) -> Problem:
    """Return the answer to who wants the contents of a task that was erased."""
    return Problem(
        410,
        "task-erased",
        "Task erased",
        f"The contents of task {task.task_id} were erased: there is no circuit left to run. "
        "Submit the circuit again.",
        members={"task_id": str(task.task_id)},
    )


def no_such_batch(batch_id: UUID) -> Problem:
    """Return the answer to a question about a batch that does not exist."""
    return Problem(
        404,
        "no-such-batch",
        "Batch not found",
        f"There is no batch {batch_id}. Its id is in the answer to its submission.",
        errors=[FieldProblem("batch_id", "is not the id of any batch")],
    )


def unreadable_history(task_id: UUID, error: InvalidEvent) -> Problem:
    """Return the answer about a task whose stored events make no sense."""
    return Problem(
        500,
        "unreadable-history",
        "History not readable",
        f"The events of task {task_id} are not what this service wrote: {error}. "
        "`make verify` tells what was changed.",
    )


def _uuid_of(scope: Scope, name: str) -> UUID:
    try:
        return uuid(scope["path_params"][name])
    except ValueError as error:
        raise invalid_request([FieldProblem(name, str(error))]) from None
