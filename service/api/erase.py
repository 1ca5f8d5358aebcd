"""`DELETE /tasks/{task_id}/contents`: removes what a task was given and what came of it.

Circuit, parameters, result and memory go, with the event that says so, in one transaction. What
the events say stays, and so do all hashes and proofs.
"""

from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.contents import contents_of
from domain.errors import OutcomeUnknown
from domain.log import Append, Appended
from domain.ports import Appender, EventLog
from domain.seals import Contents
from domain.task import Erase, decide
from service.api.admission import Admission
from service.api.answers import send_nothing
from service.api.caller import Caller, caller_of
from service.api.correlation import context_of
from service.api.deadline import Deadline
from service.api.guard import STORE_RETRY_SECONDS
from service.api.lookup import has_not_ended, load_task, task_id_of, within
from service.api.problems import Problem, unavailable


class EraseEndpoint:
    """Records that a task is erased, and answers once its contents are gone.

    Args:
        contents: where they were.
        deadline_seconds: longest wait for the event log.
    """

    def __init__(
        self,
        appender: Appender,
        log: EventLog,
        contents: Contents,
        admission: Admission,
        *,
        deadline_seconds: float,
    ) -> None:
        self._appender = appender
        self._log = log
        self._contents = contents
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Handle one request."""
        task_id = task_id_of(scope)
        self._admission.enter(0)
        try:
            deadline = Deadline(self._deadline)
            await self._erase(task_id, caller_of(scope), context_of(scope).traceparent, deadline)
            if await within(deadline.left(), self._contents.of(task_id)):
                raise _still_there(task_id)
        finally:
            self._admission.leave(0)
        await send_nothing(send)

    async def _erase(
        self, task_id: UUID, caller: Caller, traceparent: str, deadline: Deadline
    ) -> None:
        """Append the erasure, unless it is there already."""
        while True:
            events, task = await load_task(self._log, task_id, caller.sees, deadline.left())
            if task.erased:
                return
            if not task.status.terminal:
                raise has_not_ended(task, "erased")
            contents = contents_of(each.event for each in events)
            append = Append(
                task_id,
                task.version,
                decide(task, Erase(contents)),
                task.metadata.followed_by(caller.actor, task.last_event_id, traceparent),
            )
            try:
                result = await self._appender.append(append, deadline.left())
            except OutcomeUnknown:
                raise _outcome_unknown(task_id) from None
            # Another erasure, or a comparison of results, may have been faster: look again.
            if isinstance(result, Appended):
                return


def _outcome_unknown(task_id: UUID) -> Problem:
    return unavailable(
        "outcome-unknown",
        "The outcome is not known",
        "The connection to PostgreSQL broke while the erasure was being stored. "
        "Send the request again: to erase twice does no harm.",
        retry_after=STORE_RETRY_SECONDS,
        outcome="unknown",
        task_id=str(task_id),
    )


def _still_there(task_id: UUID) -> Problem:
    """Return the answer of a database that does not remove contents, for want of a migration."""
    return unavailable(
        "contents-not-removed",
        "The contents are still there",
        f"The erasure of task {task_id} is recorded, and the database has not removed its "
        "contents: its schema is older than this service. Its operator has to run `make migrate`.",
        retry_after=STORE_RETRY_SECONDS,
        task_id=str(task_id),
    )
