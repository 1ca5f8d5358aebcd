"""`GET /tasks/{task_id}/result`: what came of a completed task, in the form that is asked for."""

import asyncio
from typing import Final
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.payloads import PayloadKind
from domain.ports import TaskQueries, TaskView
from domain.status import Status
from service.api.admission import Admission
from service.api.caller import caller_of
from service.api.correlation import context_of
from service.api.entity_tags import entity_tag, is_known, send_entity, send_not_modified
from service.api.lookup import no_such_task, task_id_of, within
from service.api.parameters import one_of, query_parameters, single
from service.api.problems import FieldProblem, Problem
from service.api.representations import FORMS

MEMORY: Final = "memory"
RESULT_FORMS: Final = (*FORMS, MEMORY)
NOT_YET_RETRY_SECONDS: Final = 1
_LARGE_BYTES: Final = 256 * 1024
"""A result of this size takes milliseconds to rewrite: others are served meanwhile."""


class ResultEndpoint:
    """Answers with one representation of a result.

    Args:
        deadline_seconds: longest wait for the store.
    """

    def __init__(
        self, queries: TaskQueries, admission: Admission, *, deadline_seconds: float
    ) -> None:
        self._queries = queries
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Handle one request."""
        task_id = task_id_of(scope)
        form = single(query_parameters(scope, ("as",)), "as", one_of(RESULT_FORMS), "counts")
        self._admission.enter(0)
        try:
            view = await within(self._deadline, self._queries.view(task_id, caller_of(scope).sees))
            if view is None:
                raise no_such_task(task_id)
            content = _content(view, form)
            tag = entity_tag(form, view.head_hash.hex(), *view.erased)
            if is_known(tag, context_of(scope).headers):
                await send_not_modified(send, tag)
                return
            body = await _answer(view, form, content)
        finally:
            self._admission.leave(0)
        await send_entity(send, body, "application/json", tag)


def _content(view: TaskView, form: str) -> bytes:
    """Return the stored content that a form is made from; raises `Problem` where there is none."""
    if view.status is not Status.COMPLETED:
        raise _no_result(view)
    content, kind = view.result, PayloadKind.RESULT
    if form == MEMORY:
        content, kind = view.memory, PayloadKind.MEMORY
    if content is not None:
        return content
    if kind in view.erased:
        raise _erased(view.task_id)
    raise Problem(
        404,
        "memory-not-kept",
        "Outcomes of the shots not kept",
        f"Task {view.task_id} was submitted without `memory`: true, so the outcome of each shot "
        "was not kept. Submit it again with it; the same seed gives the same counts.",
        errors=[FieldProblem("as", "memory was not asked for at the submission")],
    )


async def _answer(view: TaskView, form: str, content: bytes) -> bytes:
    if form == MEMORY:
        shown = content
    elif len(content) < _LARGE_BYTES:
        shown = _represent(view, form, content)
    else:
        shown = await asyncio.to_thread(_represent, view, form, content)
    return b'{"task_id":"%s","shots":%d,"%s":%s}' % (
        str(view.task_id).encode(),
        view.shots,
        form.encode(),
        shown,
    )


def _represent(view: TaskView, form: str, content: bytes) -> bytes:
    return FORMS[form](content, view.shots)


def _no_result(view: TaskView) -> Problem:
    """Return the answer about a task that has no result: not yet, or never."""
    members = {"task_id": str(view.task_id), "current_status": view.status}
    if not view.status.terminal:
        return Problem(
            409,
            "task-not-completed",
            "Task not completed yet",
            f"Task {view.task_id} is {view.status}. Ask again when it has completed.",
            headers={"retry-after": str(NOT_YET_RETRY_SECONDS)},
            members=members,
        )
    reason = view.error_message or view.cancel_reason or "no reason was given"
    if view.error_code is not None:
        members["error_code"] = view.error_code
    return Problem(
        409,
        "no-result",
        "No result",
        f"Task {view.task_id} is {view.status} and has no result: {reason}",
        members=members,
    )


def _erased(task_id: UUID) -> Problem:
    return Problem(
        410,
        "result-erased",
        "Result erased",
        f"The result of task {task_id} was erased. Its events and their proofs remain, at "
        f"/tasks/{task_id}/events and /tasks/{task_id}/proof.",
    )
