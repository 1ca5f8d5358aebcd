"""`POST /tasks:batch` and `POST /tasks:sweep`: many tasks, all of them or none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from json.encoder import encode_basestring_ascii as quote
from typing import TypeAlias
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.batches import AtomicAppender, BatchQueries
from domain.errors import OutcomeUnknown
from domain.identifiers import batch_id_for_key, task_id_in_batch, uuid7
from domain.log import Append, Appended, Metadata
from domain.ports import EventLog
from domain.task import Submit, decide
from service.api.admission import Admission, overloaded
from service.api.answers import moment, send_accepted
from service.api.batch_body import BATCH_LIMITS, Draft
from service.api.body import declared_size, discard_body, read_body, require_json
from service.api.caller import Caller, caller_of
from service.api.capacity import Capacity
from service.api.correlation import RequestContext, context_of
from service.api.deadline import Deadline
from service.api.guard import STORE_RETRY_SECONDS
from service.api.idempotency import idempotency_key, is_erased, key_reused, repeats
from service.api.lookup import within
from service.api.pace import Pace
from service.api.problems import FieldProblem, Problem, unavailable

Batch: TypeAlias = tuple[UUID, Sequence[Append]]
Read: TypeAlias = Callable[[bytes], Awaitable[list[Draft]]]

AT_A_TIME = 2
"""So many batches are read and stored at a time, whoever sends them; the others wait."""

COMPARED_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class BatchStores:
    """What batches are put into and looked up in."""

    appender: AtomicAppender
    log: EventLog
    queries: BatchQueries


class BatchTurns:
    """Lets few batches at a time take memory and connections."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_A_TIME)

    @asynccontextmanager
    async def turn(self, deadline: Deadline) -> AsyncIterator[None]:
        """Wait for a turn; raises `Problem` (503) if none comes in time."""
        try:
            async with asyncio.timeout(deadline.left()):
                await self._free.acquire()
        except TimeoutError:
            raise overloaded() from None
        try:
            yield
        finally:
            self._free.release()


class SubmitManyEndpoint:
    """Stores many tasks and answers once they are durable.

    Args:
        read: reads a body, see `BatchReader`.
        turns: shared by all that store batches.
        capacity: judges whether so many tasks are taken on.
        deadline_seconds: longest time to read the body's tasks and store them.
    """

    def __init__(
        self,
        stores: BatchStores,
        read: Read,
        turns: BatchTurns,
        admission: Admission,
        capacity: Capacity,
        *,
        deadline_seconds: float,
    ) -> None:
        self._stores = stores
        self._read = read
        self._turns = turns
        self._admission = admission
        self._capacity = capacity
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context, caller = context_of(scope), caller_of(scope)
        headers = context.headers
        try:
            require_json(headers)
            key = idempotency_key(headers)
            declared_size(headers, BATCH_LIMITS)
            self._capacity.check(caller)
            self._admission.check()
        except Problem as problem:
            raise await discard_body(headers, receive, problem) from None
        body = await read_body(receive, BATCH_LIMITS, self._admission)
        size = len(body)
        try:
            deadline = Deadline(self._deadline)
            async with self._turns.turn(deadline):
                drafts = await self._read(body)
                del body
                self._capacity.check(caller, len(drafts))
                batch = await _made(drafts, key, context, caller)
                answer = await self._store(batch, caller, deadline, keyed=key is not None)
        finally:
            self._admission.leave(size)
        await send_accepted(send, answer.body(), f"/batches/{batch[0]}", replayed=answer.replayed)

    async def _store(
        self, batch: Batch, caller: Caller, deadline: Deadline, *, keyed: bool
    ) -> "_Answer":
        batch_id, appends = batch
        try:
            stored = await self._stores.appender.append_atomically(appends, deadline.left())
        except OutcomeUnknown:
            raise _outcome_unknown(batch_id, keyed=keyed) from None
        if stored is None:
            return await self._replay(batch, caller, deadline)
        self._capacity.stored(caller.tenant, len(stored))
        return _answer(batch_id, stored, appends[0].metadata.correlation_id)

    async def _replay(self, batch: Batch, caller: Caller, deadline: Deadline) -> "_Answer":
        """Give the answer of the first request with this key again.

        Raises:
            Problem: 422, that request had another body; 410, it cannot be compared any more.
        """
        batch_id, appends = batch
        view = await within(deadline.left(), self._stores.queries.view(batch_id, caller.tenant))
        if view is None or view.tasks != len(appends):
            raise key_reused(batch_id, "submitted", "batch")
        pace = Pace()
        for first in range(0, len(appends), COMPARED_AT_A_TIME):
            some = appends[first : first + COMPARED_AT_A_TIME]
            ids = [append.task_id for append in some]
            histories = await within(deadline.left(), self._stores.log.histories(ids))
            for append in some:
                history = histories[append.task_id]
                if is_erased(history):
                    raise _erased(batch_id, append.task_id)
                if not repeats(history, append):
                    raise key_reused(batch_id, "submitted", "batch")
                await pace.breathe()
        ids = [append.task_id for append in appends]
        return _Answer(batch_id, ids, view.submitted_at, view.correlation_id, replayed=True)


@dataclass(frozen=True, slots=True)
class _Answer:
    batch_id: UUID
    task_ids: Sequence[UUID]
    submitted_at: datetime
    correlation_id: str
    replayed: bool = False

    def body(self) -> bytes:
        ids = ",".join(f'"{task_id}"' for task_id in self.task_ids)
        tasks = f"{len(self.task_ids)} task{'' if len(self.task_ids) == 1 else 's'}"
        return (
            f'{{"batch_id":"{self.batch_id}","submitted_at":"{moment(self.submitted_at)}",'
            f'"task_ids":[{ids}],"message":"Batch of {tasks} submitted successfully.",'
            f'"correlation_id":{quote(self.correlation_id)}}}'
        ).encode("ascii")


def _answer(batch_id: UUID, stored: Sequence[Appended], correlation_id: str) -> _Answer:
    first = min(appended.recorded_at for appended in stored)
    return _Answer(batch_id, [appended.task_id for appended in stored], first, correlation_id)


async def _made(
    drafts: Sequence[Draft], key: str | None, context: RequestContext, caller: Caller
) -> Batch:
    """Return what is to be stored. To hash all contents takes long: others go on in between."""
    batch_id = uuid7() if key is None else batch_id_for_key(caller.tenant, key)
    metadata = Metadata(
        context.correlation_id, context.traceparent, caller.actor, tenant=caller.tenant
    )
    pace = Pace()
    appends = []
    for place, draft in enumerate(drafts):
        parameters = draft.parameters
        command = Submit(
            draft.options,
            draft.circuit.commitment(),
            None if parameters is None else parameters.commitment(),
            replace(draft.labels, batch_id=batch_id),
        )
        payloads = (draft.circuit,) if parameters is None else (draft.circuit, parameters)
        task_id = task_id_in_batch(batch_id, place)
        appends.append(Append(task_id, 0, decide(None, command), metadata, payloads))
        await pace.breathe()
    return batch_id, appends


def _erased(batch_id: UUID, task_id: UUID) -> Problem:
    return Problem(
        410,
        "task-erased",
        "Task erased",
        f"This key belongs to batch {batch_id}, and the contents of its task {task_id} were "
        "erased: nobody can tell any more whether this is the request of then. Use a new key.",
        errors=[FieldProblem("Idempotency-Key", "belongs to a batch with a task that was erased")],
        members={"batch_id": str(batch_id), "task_id": str(task_id)},
    )


def _outcome_unknown(batch_id: UUID, *, keyed: bool) -> Problem:
    advice = (
        "Send the request again with the same Idempotency-Key."
        if keyed
        else f"Look at /batches/{batch_id} before you send it again: all of it is there, or "
        "nothing. With an Idempotency-Key a retry would be safe."
    )
    return unavailable(
        "outcome-unknown",
        "The outcome is not known",
        f"The connection to PostgreSQL broke while the batch was being stored. {advice}",
        retry_after=STORE_RETRY_SECONDS,
        outcome="unknown",
        batch_id=str(batch_id),
    )
