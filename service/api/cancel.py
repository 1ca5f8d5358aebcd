"""`POST /tasks/{task_id}/cancel`: ends a task that has not ended."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from uuid import UUID

from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from domain.errors import OutcomeUnknown
from domain.events import ProcessingStarted, TaskCancelled
from domain.identifiers import event_id_for_key, uuid7
from domain.log import Append, Appended, RecordedEvent
from domain.ports import Appender, EventLog
from domain.task import Cancel, Task, decide, printable
from domain.view import view_of
from service.api.admission import Admission
from service.api.answers import send_json, task_status
from service.api.body import BodyLimits, declared_size, discard_body, read_body, require_json
from service.api.caller import Caller, caller_of
from service.api.correlation import RequestContext, context_of
from service.api.deadline import Deadline
from service.api.guard import STORE_RETRY_SECONDS
from service.api.idempotency import idempotency_key, key_reused
from service.api.lookup import load_task, no_such_task, task_id_of
from service.api.models import CancelTask
from service.api.problems import Problem, unavailable
from service.api.validation import validation_problem

LIMITS = BodyLimits.without_circuit()

OnCancelled = Callable[[str, UUID], None]


class CancelEndpoint:
    """Records that a task is cancelled, and answers with the task as it is then.

    Args:
        deadline_seconds: longest wait for the event log, however often the task moves meanwhile.
        on_cancelled: called with the id of the worker that runs a task, when the task is cancelled.
    """

    def __init__(
        self,
        appender: Appender,
        log: EventLog,
        admission: Admission,
        *,
        deadline_seconds: float,
        on_cancelled: OnCancelled,
    ) -> None:
        self._appender = appender
        self._log = log
        self._admission = admission
        self._deadline = deadline_seconds
        self._on_cancelled = on_cancelled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = context_of(scope)
        headers = context.headers
        try:
            task_id = task_id_of(scope)
            key = idempotency_key(headers)
            if declared_size(headers, LIMITS):
                require_json(headers)
            self._admission.check()
        except Problem as problem:
            raise await discard_body(headers, receive, problem) from None
        body = await read_body(receive, LIMITS, self._admission)
        try:
            events, replayed = await self._cancel(
                task_id, cancel_reason(body), key, context, caller_of(scope)
            )
        finally:
            self._admission.leave(len(body))
        view = view_of(events, {})
        if view is None:
            raise no_such_task(task_id)
        await send_json(send, task_status(view), replayed=replayed)

    async def _cancel(
        self,
        task_id: UUID,
        reason: str,
        key: str | None,
        context: RequestContext,
        caller: Caller,
    ) -> tuple[Sequence[RecordedEvent], bool]:
        """Return the task's events with its cancellation, and whether that was there before."""
        deadline = Deadline(self._deadline)
        event_id = uuid7() if key is None else event_id_for_key(task_id, key)
        while True:
            events, task = await load_task(self._log, task_id, caller.sees, deadline.left())
            if _is_repeated(events, event_id, reason):
                # The first request may have got no further than this.
                self._stop_run(events)
                return events, True
            append = _append(task, event_id, reason, context, caller)
            stored = await self._store(append, deadline.left(), replayable=key is not None)
            # A claim or an outcome may have been faster: look again, and decide again.
            if stored is not None:
                self._stop_run(events)
                return (*events, stored), False

    async def _store(
        self, append: Append, seconds: float, *, replayable: bool
    ) -> RecordedEvent | None:
        """Store the cancellation; `None` where the task has moved on."""
        try:
            result = await self._appender.append(append, seconds)
        except OutcomeUnknown:
            raise _outcome_unknown(append.task_id, replayable=replayable) from None
        if not isinstance(result, Appended):
            return None
        return append.recorded(result)

    def _stop_run(self, events: Sequence[RecordedEvent]) -> None:
        """Tell the worker that held the task when it was cancelled, if one did."""
        lasting = [each.event for each in events if each.event.status is not None]
        before = [event for event in lasting if not isinstance(event, TaskCancelled)]
        if isinstance(before[-1], ProcessingStarted):
            self._on_cancelled(before[-1].worker_id, events[-1].task_id)


def cancel_reason(body: bytes) -> str:
    """Return the reason that a body gives, if it gives one; raises `Problem` (400, 422)."""
    if not body.strip():
        return ""
    try:
        return CancelTask.model_validate_json(body).reason or ""
    except ValidationError as error:
        raise validation_problem(error, body, CancelTask) from None


def _is_repeated(events: Sequence[RecordedEvent], event_id: UUID, reason: str) -> bool:
    """Tell whether an earlier request with this key has cancelled the task.

    Raises:
        Problem: 422, that request gave another reason.
    """
    earlier = next((each for each in events if each.event_id == event_id), None)
    if earlier is None:
        return False
    if earlier.event != TaskCancelled(printable(reason)):
        raise key_reused(earlier.task_id, "cancelled")
    return True


def _append(
    task: Task, event_id: UUID, reason: str, context: RequestContext, caller: Caller
) -> Append:
    """Return what cancels a task; raises `Problem` (409) where it has ended."""
    if task.status.terminal:
        raise _has_ended(task)
    return Append(
        task_id=task.task_id,
        expected_version=task.version,
        event=decide(task, Cancel(reason)),
        metadata=task.metadata.followed_by(caller.actor, task.last_event_id, context.traceparent),
        event_id=event_id,
    )


def _has_ended(task: Task) -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        "task-has-ended",
        "Task has ended",
        f"Task {task.task_id} is {task.status} and cannot be cancelled any more. "
        f"What came of it is at /tasks/{task.task_id}.",
        members={"task_id": str(task.task_id), "current_status": task.status},
    )


def _outcome_unknown(task_id: UUID, *, replayable: bool) -> Problem:
    advice = (
        "Send the request again with the same Idempotency-Key."
        if replayable
        else f"Send the request again; 409 says then that it was cancelled, or look at "
        f"/tasks/{task_id}."
    )
    return unavailable(
        "outcome-unknown",
        "The outcome is not known",
        f"The connection to PostgreSQL broke while the cancellation was being stored. {advice}",
        retry_after=STORE_RETRY_SECONDS,
        outcome="unknown",
        task_id=str(task_id),
    )
