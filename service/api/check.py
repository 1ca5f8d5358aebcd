"""`POST /circuits:check`: what running a circuit would be like, without running it."""

from typing import Any

import structlog
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from domain.execution import RunFailed, RunRequest
from domain.inspection import CircuitInspector, CircuitReport, Inspection
from service.api.admission import Admission
from service.api.answers import send_json
from service.api.body import BodyLimits, declared_size, discard_body, read_body, require_json
from service.api.check_models import CircuitCheck
from service.api.correlation import context_of
from service.api.inspections import AWAY_RETRY_SECONDS, failure_message, inspected
from service.api.models import SubmitTask
from service.api.problems import Problem, unavailable
from service.api.validation import (
    circuit_payload,
    parameters_payload,
    parse_submission,
    run_options,
)

_log = structlog.get_logger(__name__)


class CheckEndpoint:
    """Takes what `POST /tasks` takes, stores nothing, and lets a worker say what it thinks of it.

    Args:
        inspector: the worker.
        model: validates bodies, see `models.limited_submission`.
    """

    def __init__(
        self,
        inspector: CircuitInspector,
        admission: Admission,
        model: type[SubmitTask],
        limits: BodyLimits,
    ) -> None:
        self._inspector = inspector
        self._admission = admission
        self._model = model
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        headers = context_of(scope).headers
        try:
            require_json(headers)
            declared_size(headers, self._limits)
            self._admission.check()
        except Problem as problem:
            raise await discard_body(headers, receive, problem) from None
        body = await read_body(receive, self._limits, self._admission)
        try:
            answer = await inspected(self._inspector, self._question(body))
        finally:
            self._admission.leave(len(body))
        await send_json(send, _shown(_answer(answer)))

    def _question(self, body: bytes) -> Inspection:
        task = parse_submission(body, self._model, self._limits)
        circuit_payload(task.circuit, len(body), self._limits)
        parameters_payload(task.parameters)
        return Inspection(
            "check", RunRequest(task.circuit, run_options(task), task.parameters or {})
        )


def _answer(answer: object) -> dict[str, Any]:
    match answer:
        case CircuitReport(facts=facts):
            return {"runnable": True, **facts}
        case RunFailed(code=code):
            place = {"line": answer.line, "column": answer.column}
            error = {
                "code": code,
                "message": answer.message,
                **{name: number for name, number in place.items() if number is not None},
            }
            return {
                "runnable": False,
                "error_code": code,
                "error_message": failure_message(answer),
                "errors": [error],
            }
        case _:
            return {}


def _shown(answer: dict[str, Any]) -> bytes:
    """Return the answer as JSON; raises `Problem` (503) for what no worker of this version says.

    What comes from a worker was near a stranger's circuit: only what is expected goes out.
    """
    try:
        return CircuitCheck.model_validate(answer).model_dump_json(exclude_unset=True).encode()
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"][:2])) for each in error.errors()})
        _log.error("A worker's answer about a circuit has another form", fields=fields)
        raise unavailable(
            "no-worker",
            "No worker can look at the circuit",
            "The worker that looked at the circuit is of another version. Send it again later.",
            retry_after=AWAY_RETRY_SECONDS,
        ) from None
