"""`GET /batches/{batch_id}` and `POST /batches/{batch_id}/cancel`: how a batch stands, its end."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.batches import BatchQueries, BatchView
from domain.codec import to_json
from domain.errors import InvalidEvent, OutcomeUnknown
from domain.events import ProcessingStarted
from domain.log import Append, Appended, RecordedEvent
from domain.ports import Appender
from domain.task import Cancel, Task, decide, fold
from service.api.admission import Admission
from service.api.answers import moment, send_json
from service.api.body import declared_size, discard_body, read_body, require_json
from service.api.caller import Caller, caller_of
from service.api.cancel import LIMITS, OnCancelled, cancel_reason
from service.api.correlation import context_of
from service.api.deadline import Deadline
from service.api.guard import STORE_RETRY_SECONDS
from service.api.lookup import batch_id_of, no_such_batch, unreadable_history, within
from service.api.pace import Pace
from service.api.problems import Problem, unavailable

CANCELLED_AT_A_TIME = 100


class BatchStatusEndpoint:
    """Answers with how the tasks of a batch stand."""

    def __init__(
        self, queries: BatchQueries, admission: Admission, *, deadline_seconds: float
    ) -> None:
        self._queries = queries
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Handle one request."""
        batch_id = batch_id_of(scope)
        self._admission.enter(0)
        try:
            reading = self._queries.view(batch_id, caller_of(scope).sees)
            view = await within(self._deadline, reading)
        finally:
            self._admission.leave(0)
        if view is None:
            raise no_such_batch(batch_id)
        await send_json(send, _status(view))


class CancelBatchEndpoint:
    """Cancels the tasks of a batch that have not ended, and answers with how it stands then.

    Args:
        deadline_seconds: longest wait for the event log, however often tasks move meanwhile.
        on_cancelled: called with the id of the worker that runs a task, when it is cancelled.
    """

    def __init__(
        self,
        queries: BatchQueries,
        appender: Appender,
        admission: Admission,
        *,
        deadline_seconds: float,
        on_cancelled: OnCancelled,
    ) -> None:
        self._queries = queries
        self._appender = appender
        self._admission = admission
        self._deadline = deadline_seconds
        self._on_cancelled = on_cancelled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = context_of(scope)
        headers = context.headers
        try:
            batch_id = batch_id_of(scope)
            if declared_size(headers, LIMITS):
                require_json(headers)
            self._admission.check()
        except Problem as problem:
            raise await discard_body(headers, receive, problem) from None
        body = await read_body(receive, LIMITS, self._admission)
        try:
            caller, deadline = caller_of(scope), Deadline(self._deadline)
            cancel = _Cancellation(batch_id, cancel_reason(body), caller, context.traceparent)
            cancelled = await self._cancel(cancel, deadline)
            view = await within(deadline.left(), self._queries.view(batch_id, caller.sees))
        finally:
            self._admission.leave(len(body))
        if view is None:
            raise no_such_batch(batch_id)
        await send_json(send, _status(view, cancelled))

    async def _cancel(self, cancel: "_Cancellation", deadline: Deadline) -> int:
        """Cancel until no task is left that has not ended; returns how many were."""
        cancelled = 0
        while True:
            reading = self._queries.open_streams(
                cancel.batch_id, cancel.caller.sees, CANCELLED_AT_A_TIME
            )
            try:
                streams = await within(deadline.left(), reading)
                appends = [append async for append in cancel.appends(streams)]
            except InvalidEvent as error:
                raise unreadable_history(cancel.batch_id, error) from error
            if not appends:
                return cancelled
            # A claim or an outcome may be faster than one of these: the next round looks again.
            stored = await self._store(cancel.batch_id, appends, deadline)
            for events, result in zip(streams, stored, strict=True):
                if result:
                    cancelled += 1
                    self._stop_run(events[-1])

    async def _store(
        self, batch_id: UUID, appends: Sequence[Append], deadline: Deadline
    ) -> list[bool]:
        """Tell which of the cancellations were stored."""
        storing = [self._appender.append(append, deadline.left()) for append in appends]
        results = await asyncio.gather(*storing, return_exceptions=True)
        for result in results:
            if isinstance(result, OutcomeUnknown):
                raise _outcome_unknown(batch_id) from None
            if isinstance(result, BaseException):
                raise result
        return [isinstance(result, Appended) for result in results]

    def _stop_run(self, last: RecordedEvent) -> None:
        """Tell the worker that held a task when it was cancelled, if one did."""
        if isinstance(last.event, ProcessingStarted):
            self._on_cancelled(last.event.worker_id, last.task_id)


class _Cancellation:
    """What is done to each task of a batch."""

    def __init__(self, batch_id: UUID, reason: str, caller: Caller, traceparent: str) -> None:
        self.batch_id = batch_id
        self.caller = caller
        self._reason = reason
        self._traceparent = traceparent

    async def appends(self, streams: Sequence[Sequence[RecordedEvent]]) -> AsyncIterator[Append]:
        """Yield what cancels each task; raises `InvalidEvent`."""
        pace = Pace()
        for events in streams:
            task = fold(events)
            if task is None:
                raise InvalidEvent("a task of the batch has no events")
            yield self._append(task)
            await pace.breathe()

    def _append(self, task: Task) -> Append:
        return Append(
            task.task_id,
            task.version,
            decide(task, Cancel(self._reason)),
            task.metadata.followed_by(self.caller.actor, task.last_event_id, self._traceparent),
        )


def _status(view: BatchView, cancelled: int | None = None) -> bytes:
    return to_json(dict(_fields(view, cancelled))).encode()


def _fields(view: BatchView, cancelled: int | None) -> Iterator[tuple[str, object]]:
    yield "batch_id", str(view.batch_id)
    yield "tasks", view.tasks
    yield "counts", {str(status): count for status, count in view.counts.items()}
    yield "ended", view.ended
    yield "submitted_at", moment(view.submitted_at)
    if view.started_at is not None:
        yield "started_at", moment(view.started_at)
    if view.ended and view.completed_at is not None:
        yield "completed_at", moment(view.completed_at)
    if view.failures:
        yield (
            "failures",
            [
                {
                    "task_id": str(failure.task_id),
                    "error_code": failure.code,
                    "error_message": failure.message,
                }
                for failure in view.failures
            ],
        )
    if cancelled is not None:
        yield "cancelled_now", cancelled
    yield "correlation_id", view.correlation_id


def _outcome_unknown(batch_id: UUID) -> Problem:
    return unavailable(
        "outcome-unknown",
        "The outcome is not known",
        "The connection to PostgreSQL broke while cancellations were being stored. "
        "Send the request again: what was cancelled stays so, and the rest follows.",
        retry_after=STORE_RETRY_SECONDS,
        outcome="unknown",
        batch_id=str(batch_id),
    )
