"""The two endpoints of tasks: submit one, look at one."""

from datetime import timedelta
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.errors import OutcomeUnknown
from domain.identifiers import task_id_for_key, uuid7
from domain.log import Append, Appended, Metadata
from domain.ports import Appender, EventLog, HistoryQueries, TaskQueries, TaskView
from domain.task import Submit, decide
from service.api.admission import Admission
from service.api.answers import send_json, send_submitted, task_status
from service.api.backlog import Backlog
from service.api.body import BodyLimits, declared_size, discard_body, read_body, require_json
from service.api.caller import Caller, caller_of
from service.api.correlation import RequestContext, context_of
from service.api.entity_tags import entity_tag, is_known, send_entity, send_not_modified
from service.api.farewell import closing
from service.api.guard import STORE_RETRY_SECONDS
from service.api.health import QueueState
from service.api.idempotency import first_submission, idempotency_key
from service.api.labels import labels_of
from service.api.live.live import Live
from service.api.live.patience import Patience
from service.api.lookup import no_such_task, task_id_of, within
from service.api.models import SubmitTask
from service.api.problems import Problem, unavailable
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
        needs_broker: refuse submissions while this is away or blocked; `None` accepts them always.
        deadline_seconds: longest wait for the event log.
        furthest_start: how far in the future a task may ask to be started.
        backlog: judges whether one more task may wait; `None` lets any number wait.
    """

    def __init__(
        self,
        appender: Appender,
        log: EventLog,
        admission: Admission,
        model: type[SubmitTask],
        limits: BodyLimits,
        *,
        deadline_seconds: float,
        furthest_start: timedelta,
        needs_broker: QueueState | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        self._appender = appender
        self._log = log
        self._admission = admission
        self._model = model
        self._limits = limits
        self._deadline = deadline_seconds
        self._furthest_start = furthest_start
        self._needs_broker = needs_broker
        self._backlog = backlog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = context_of(scope)
        headers = context.headers
        try:
            key = self._admit(headers)
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

    def _admit(self, headers: dict[bytes, bytes]) -> str | None:
        """Decide by its headers whether a body is read; returns the key, if there is one."""
        broker = self._needs_broker
        if broker is not None and (broker.blocked or not broker.connected):
            raise _broker_unavailable()
        require_json(headers)
        key = idempotency_key(headers)
        declared_size(headers, self._limits)
        if self._backlog is not None:
            self._backlog.check()
        self._admission.check()
        return key

    def _submission(
        self, body: bytes, key: str | None, context: RequestContext, caller: Caller
    ) -> Append:
        task = parse_submission(body, self._model, self._limits)
        circuit = circuit_payload(task.circuit, len(body), self._limits)
        parameters = parameters_payload(task)
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
            raise _outcome_unknown(task_id, replayable=replayable) from None
        if isinstance(result, Appended):
            if self._backlog is not None:
                self._backlog.stored()
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


def _broker_unavailable() -> Problem:
    return unavailable(
        "broker-unavailable",
        "The queue is away",
        "RabbitMQ takes no messages now and this service is set to refuse tasks then. "
        "Nothing was stored; send the request again.",
        retry_after=STORE_RETRY_SECONDS,
    )


def _outcome_unknown(task_id: UUID, *, replayable: bool) -> Problem:
    advice = (
        "Send the request again with the same Idempotency-Key."
        if replayable
        else f"Look at /tasks/{task_id} before you send it again; "
        "with an Idempotency-Key a retry would be safe."
    )
    return unavailable(
        "outcome-unknown",
        "The outcome is not known",
        f"The connection to PostgreSQL broke while the task was being stored. {advice}",
        retry_after=STORE_RETRY_SECONDS,
        outcome="unknown",
        task_id=str(task_id),
    )
