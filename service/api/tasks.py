"""The two endpoints of tasks: submit one, look at one."""

from datetime import timedelta

from starlette.types import Receive, Scope, Send

from domain.errors import OutcomeUnknown
from domain.identifiers import task_id_for_key, uuid7
from domain.log import Append, Appended, Metadata
from domain.ports import Appender, EventLog, HistoryQueries, TaskQueries, TaskView
from domain.task import Submit, decide
from service.api.admission import Admission
from service.api.answers import send_json, send_submitted, task_status
from service.api.body import BodyLimits, declared_size, discard_body, read_body, require_json
from service.api.caller import Caller, caller_of
from service.api.capacity import Capacity
from service.api.correlation import RequestContext, context_of
from service.api.entity_tags import entity_tag, is_known, send_entity, send_not_modified
from service.api.farewell import closing
from service.api.idempotency import first_submission, idempotency_key, outcome_unknown
from service.api.labels import labels_of
from service.api.live.live import Live
from service.api.live.patience import Patience
from service.api.lookup import no_such_task, task_id_of, within
from service.api.models import SubmitTask
from service.api.problems import Problem
from service.api.question import question_of
from service.api.time_travel import view_at
from service.api.validation import (
    circuit_payload,
    parameters_payload,
    parse_submission,
    run_options,
)


class SubmitEndpoint:
    """`POST /tasks`: stores a task and answers once it is durable.

    Args:
        model: validates bodies, see `models.limited_submission`.
        capacity: judges whether one more task is taken on.
        deadline_seconds: longest wait for the event log.
        furthest_start: how far in the future a task may ask to be started.
    """

    def __init__(
        self,
        appender: Appender,
        log: EventLog,
        admission: Admission,
        model: type[SubmitTask],
        limits: BodyLimits,
        *,
        capacity: Capacity,
        deadline_seconds: float,
        furthest_start: timedelta,
    ) -> None:
        self._appender = appender
        self._log = log
        self._admission = admission
        self._capacity = capacity
        self._model = model
        self._limits = limits
        self._deadline = deadline_seconds
        self._furthest_start = furthest_start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = context_of(scope)
        headers = context.headers
        try:
            key = self._admit(headers, caller_of(scope))
        except Problem as problem:
            raise await discard_body(headers, receive, problem) from None
        body = await read_body(receive, self._limits, self._admission)
        size = len(body)
        try:
            append = self._submission(body, key, context, caller_of(scope))
            del body  # What is stored is all that is kept while others are waited for.
            await self._store(append, replayable=key is not None, send=send)
        finally:
            self._admission.leave(size)

    def _admit(self, headers: dict[bytes, bytes], caller: Caller) -> str | None:
        """Decide by its headers whether a body is read; returns the key, if there is one."""
        self._capacity.check(caller)
        require_json(headers)
        key = idempotency_key(headers)
        declared_size(headers, self._limits)
        self._admission.check()
        return key

    def _submission(
        self, body: bytes, key: str | None, context: RequestContext, caller: Caller
    ) -> Append:
        task = parse_submission(body, self._model, self._limits)
        circuit = circuit_payload(task.circuit, len(body), self._limits)
        parameters = parameters_payload(task.parameters)
        event = decide(
            None,
            Submit(
                run_options(task),
                circuit.commitment(),
                None if parameters is None else parameters.commitment(),
                labels_of(task, self._furthest_start),
            ),
        )
        return Append(
            uuid7() if key is None else task_id_for_key(caller.tenant, key),
            0,
            event,
            Metadata(
                context.correlation_id, context.traceparent, caller.actor, tenant=caller.tenant
            ),
            (circuit,) if parameters is None else (circuit, parameters),
        )

    async def _store(self, append: Append, *, replayable: bool, send: Send) -> None:
        task_id = append.task_id
        try:
            result = await self._appender.append(append, self._deadline)
        except OutcomeUnknown:
            raise outcome_unknown(task_id, replayable=replayable) from None
        if isinstance(result, Appended):
            self._capacity.stored(append.metadata.tenant)
            correlation_id = append.metadata.correlation_id
            await send_submitted(send, task_id, result.recorded_at, correlation_id, replayed=False)
        elif replayable:
            await self._replay(append, send)
        else:
            raise RuntimeError(f"task {task_id} has a new id and exists already")

    async def _replay(self, append: Append, send: Send) -> None:
        """Give the answer of the first request with this key again."""
        histories = await within(self._deadline, self._log.histories([append.task_id]))
        first = first_submission(histories[append.task_id], append)
        await send_submitted(
            send,
            first.task_id,
            first.recorded_at,
            first.metadata.correlation_id,
            replayed=True,
        )


class StatusEndpoint:
    """`GET /tasks/{task_id}`: a task as it stands, as it was, or once it has ended."""

    def __init__(
        self,
        queries: TaskQueries,
        log: EventLog,
        history: HistoryQueries,
        live: Live,
        admission: Admission,
        *,
        deadline_seconds: float,
    ) -> None:
        self._queries = queries
        self._log = log
        self._history = history
        self._patience = Patience(live, queries, deadline_seconds)
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        task_id = task_id_of(scope)
        asked = question_of(scope)
        tenant = caller_of(scope).sees
        self._admission.enter(0)
        try:
            view = await within(
                self._deadline,
                self._queries.view(task_id, tenant)
                if asked.moment is None
                else view_at(self._log, self._history, task_id, asked.moment, tenant),
            )
        finally:
            self._admission.leave(0)
        if view is None:
            raise no_such_task(task_id)
        if asked.wait and not view.status.terminal:
            view = await self._patience.view_at_end(view, asked.wait, scope, receive)
            if self._patience.over:
                send = closing(send)
        if view.status.terminal and view.head_hash:
            await _send_ended(view, context_of(scope).headers, send)
        else:
            await send_json(send, task_status(view))


async def _send_ended(view: TaskView, headers: dict[bytes, bytes], send: Send) -> None:
    """Answer with a task that changes seldom: the client may keep it, and ask whether it did."""
    tag = entity_tag("task", view.head_hash.hex(), *view.erased)
    if is_known(tag, headers):
        await send_not_modified(send, tag)
    else:
        await send_entity(send, task_status(view), "application/json", tag)
