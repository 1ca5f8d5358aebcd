"""`POST /tasks/{task_id}/retry`: a new task that does again what one that has ended was to do.

Circuit, parameters, options, name, tags and priority are those of the origin, which the new task
names. It starts as soon as it can, and belongs to no batch.
"""

from collections.abc import Mapping
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.contents import commitments
from domain.errors import OutcomeUnknown
from domain.events import TaskSubmitted
from domain.identifiers import task_id_for_key, uuid7
from domain.labels import Labels
from domain.log import Append, Appended, Metadata, RecordedEvent
from domain.payloads import Payload, PayloadKind
from domain.ports import Appender, EventLog
from domain.task import Submit, Task, decide
from service.api.admission import Admission
from service.api.answers import send_submitted
from service.api.body import BodyLimits, declared_size, discard_body, read_body
from service.api.caller import Caller, caller_of
from service.api.capacity import Capacity
from service.api.correlation import RequestContext, context_of
from service.api.deadline import Deadline
from service.api.idempotency import idempotency_key, key_reused, outcome_unknown
from service.api.lookup import has_not_ended, load_task, task_id_of, was_erased, within
from service.api.problems import FieldProblem, Problem, invalid_request

LIMITS = BodyLimits.without_circuit()


class RetryEndpoint:
    """Stores a task like one that has ended, and answers as for a submission.

    Args:
        capacity: judges whether one more task is taken on.
        deadline_seconds: longest wait for the event log.
    """

    def __init__(
        self,
        appender: Appender,
        log: EventLog,
        admission: Admission,
        *,
        capacity: Capacity,
        deadline_seconds: float,
    ) -> None:
        self._appender = appender
        self._log = log
        self._admission = admission
        self._capacity = capacity
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = context_of(scope)
        headers = context.headers
        try:
            origin = task_id_of(scope)
            key = idempotency_key(headers)
            declared_size(headers, LIMITS)
            self._capacity.check(caller_of(scope))
            self._admission.check()
        except Problem as problem:
            raise await discard_body(headers, receive, problem) from None
        body = await read_body(receive, LIMITS, self._admission)
        try:
            _require_nothing(body)
            first, replayed = await self._retry(origin, key, context, caller_of(scope))
        finally:
            self._admission.leave(len(body))
        await send_submitted(
            send,
            first.task_id,
            first.recorded_at,
            first.metadata.correlation_id,
            replayed=replayed,
        )

    async def _retry(
        self, origin: UUID, key: str | None, context: RequestContext, caller: Caller
    ) -> tuple[RecordedEvent, bool]:
        """Return the submission of the new task, and whether it was there before."""
        deadline = Deadline(self._deadline)
        task_id = uuid7() if key is None else task_id_for_key(caller.tenant, key)
        if key is not None:
            # It may have been erased since, or its origin: the answer stays what it was.
            earlier = await self._earlier(task_id, origin, deadline)
            if earlier is not None:
                return earlier, True
        _, task = await load_task(self._log, origin, caller.sees, deadline.left())
        if not task.status.terminal:
            raise has_not_ended(task, "tried again")
        size = task.circuit.size + (0 if task.parameters is None else task.parameters.size)
        self._admission.enter(size)
        try:
            contents = await self._contents(task, deadline)
            append = _submission(task_id, task, contents, context, caller)
            return await self._store(append, origin, deadline, replayable=key is not None)
        finally:
            self._admission.leave(size)

    async def _earlier(
        self, task_id: UUID, origin: UUID, deadline: Deadline
    ) -> RecordedEvent | None:
        """Return what an earlier request with this key has stored.

        Raises:
            Problem: 422, that was something else.
        """
        found = await within(deadline.left(), self._log.histories([task_id]))
        if task_id not in found:
            return None
        first = found[task_id].events[0]
        if not isinstance(first.event, TaskSubmitted) or first.event.labels.origin != origin:
            raise key_reused(task_id, "submitted")
        return first

    async def _contents(self, task: Task, deadline: Deadline) -> Mapping[str, Payload]:
        """Return what a task was given; raises `Problem` (410) where that was erased."""
        found = await within(deadline.left(), self._log.histories([task.task_id]))
        history = found[task.task_id]
        if commitments(history.events[0].event).keys() - history.payloads.keys():
            raise was_erased(task)
        return history.payloads

    async def _store(
        self, append: Append, origin: UUID, deadline: Deadline, *, replayable: bool
    ) -> tuple[RecordedEvent, bool]:
        try:
            result = await self._appender.append(append, deadline.left())
        except OutcomeUnknown:
            raise outcome_unknown(append.task_id, replayable=replayable) from None
        if isinstance(result, Appended):
            self._capacity.stored(append.metadata.tenant)
            return append.recorded(result), False
        earlier = await self._earlier(append.task_id, origin, deadline)
        if earlier is None:
            raise RuntimeError(f"task {append.task_id} was refused and does not exist")
        return earlier, True


def _submission(
    task_id: UUID,
    origin: Task,
    contents: Mapping[str, Payload],
    context: RequestContext,
    caller: Caller,
) -> Append:
    # With salts of their own: what is erased of one task must not be known from the other.
    payloads = {
        kind: Payload(kind, contents[kind].body) for kind in PayloadKind if kind in contents
    }
    parameters = payloads.get(PayloadKind.PARAMETERS)
    labels = origin.labels
    command = Submit(
        origin.options,
        payloads[PayloadKind.CIRCUIT].commitment(),
        None if parameters is None else parameters.commitment(),
        Labels(labels.name, labels.tags, labels.priority, origin=origin.task_id),
    )
    return Append(
        task_id,
        0,
        decide(None, command),
        Metadata(
            context.correlation_id,
            context.traceparent,
            caller.actor,
            tenant=origin.metadata.tenant,
        ),
        tuple(payloads.values()),
    )


def _require_nothing(body: bytes) -> None:
    if body.strip() not in {b"", b"{}"}:
        raise invalid_request(
            [FieldProblem("body", "must be empty: a task is tried again as it was submitted")]
        )
