"""`GET /tasks/{task_id}/circuit`: what was submitted, as it came, or drawn as text or picture."""

import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.errors import InvalidEvent
from domain.execution import RunFailed, RunRequest
from domain.inspection import CircuitDrawing, CircuitInspector, Inspection
from domain.ports import CircuitQueries, StoredCircuit
from service.api.admission import Admission
from service.api.caller import caller_of
from service.api.correlation import context_of
from service.api.entity_tags import entity_tag, is_known, send_entity, send_not_modified
from service.api.inspections import failure_message, inspected
from service.api.lookup import no_such_task, task_id_of, unreadable_history, within
from service.api.media_types import qualities
from service.api.parameters import one_of, query_parameters, single
from service.api.problems import FieldProblem, Problem
from service.api.svg import svg_of

TEXT: Final = "text/plain; charset=utf-8"
SVG: Final = "image/svg+xml"
FORMS: Final[Mapping[str, str]] = {"qasm": TEXT, "drawing": TEXT, "svg": SVG}
"""What may be asked for, and the media type that it has."""

_VARY: Final = [(b"vary", b"Accept")]


class CircuitEndpoint:
    """Shows a task's circuit. Drawings are made by a worker, with the task's parameters.

    Args:
        inspector: the worker.
        deadline_seconds: longest wait for the store.
    """

    def __init__(
        self,
        queries: CircuitQueries,
        inspector: CircuitInspector,
        admission: Admission,
        *,
        deadline_seconds: float,
    ) -> None:
        self._queries = queries
        self._inspector = inspector
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Handle one request."""
        task_id = task_id_of(scope)
        headers = context_of(scope).headers
        given = query_parameters(scope, ("as",))
        form = single(given, "as", one_of(FORMS), "") or _preferred(headers)
        self._admission.enter(0)
        try:
            stored = await self._stored(task_id, caller_of(scope).sees)
            circuit = _text(stored, task_id)
            tag = entity_tag(form, stored.submission.circuit.hmac)
            if is_known(tag, headers):
                await send_not_modified(send, tag)
                return
            body = await self._shown(task_id, form, stored, circuit)
        finally:
            self._admission.leave(0)
        await send_entity(send, body, FORMS[form], tag, _VARY)

    async def _stored(self, task_id: UUID, tenant: str | None) -> StoredCircuit:
        try:
            stored = await within(self._deadline, self._queries.circuit(task_id, tenant))
        except InvalidEvent as error:
            raise unreadable_history(task_id, error) from error
        if stored is None:
            raise no_such_task(task_id)
        return stored

    async def _shown(self, task_id: UUID, form: str, stored: StoredCircuit, circuit: str) -> bytes:
        if form == "qasm":
            return circuit.encode()
        drawing = await self._drawing(task_id, stored, circuit)
        return svg_of(drawing, f"Circuit of task {task_id}") if form == "svg" else drawing.encode()

    async def _drawing(self, task_id: UUID, stored: StoredCircuit, circuit: str) -> str:
        parameters = {} if stored.parameters is None else json.loads(stored.parameters)
        request = RunRequest(circuit, stored.submission.options, parameters)
        answer = await inspected(self._inspector, Inspection("drawing", request))
        match answer:
            case CircuitDrawing(text=text):
                return text
            case RunFailed():
                raise _not_drawable(task_id, answer)
            case _:
                raise RuntimeError("a worker was asked for a drawing and answered with a report")


def _text(stored: StoredCircuit, task_id: UUID) -> str:
    """Return the circuit's text; raises `Problem` (410) where it was erased."""
    if stored.circuit is None or stored.erased:
        raise Problem(
            410,
            "circuit-erased",
            "Circuit erased",
            f"The circuit of task {task_id} was erased. Its events and their proofs remain, at "
            f"/tasks/{task_id}/events and /tasks/{task_id}/proof.",
        )
    return stored.circuit.decode(errors="replace")


def _not_drawable(task_id: UUID, failure: RunFailed) -> Problem:
    reason = failure_message(failure)
    return Problem(
        422,
        "circuit-not-drawable",
        "Circuit cannot be drawn",
        f"{reason.rstrip('.')}. The text as it was submitted is at /tasks/{task_id}/circuit.",
        errors=[FieldProblem("circuit", reason)],
        members={"error_code": failure.code},
    )


def _preferred(headers: Mapping[bytes, bytes]) -> str:
    """Return the form that a client's `Accept` asks for; its text where it has no preference."""
    wanted = qualities(headers)
    picture = wanted.get(SVG, 0.0)
    text = max(wanted.get(name, 0.0) for name in ("text/plain", "text/*", "*/*"))
    return "svg" if picture > 0 and picture >= text else "qasm"
