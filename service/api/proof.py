"""`GET /tasks/{task_id}/proof`: a task with all that it takes to check it elsewhere."""

from starlette.types import Receive, Scope, Send

from domain.checkpoint import MAX_SIZE
from domain.codec import to_json
from domain.errors import LogForked
from domain.ports import EventLog
from domain.seals import Contents, Seals
from service.api.admission import Admission
from service.api.answers import send_json
from service.api.caller import caller_of
from service.api.lookup import no_such_task, task_id_of, within
from service.api.parameters import query_parameters, single, whole_number
from service.api.problems import FieldProblem, Problem
from service.audit.proof import NoSuchCheckpoint, task_proof

_PARAMETERS = ("contents", "since")


class ProofEndpoint:
    """Answers with a task's events, their inclusion proofs and the latest checkpoint.

    Args:
        deadline_seconds: longest wait for the log.
    """

    def __init__(
        self,
        log: EventLog,
        seals: Seals,
        contents: Contents,
        admission: Admission,
        *,
        deadline_seconds: float,
    ) -> None:
        self._log = log
        self._seals = seals
        self._contents = contents
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Handle one request."""
        task_id = task_id_of(scope)
        given = query_parameters(scope, _PARAMETERS)
        contents = self._contents if single(given, "contents", _yes_or_no, False) else None
        since = single(given, "since", whole_number(1, MAX_SIZE), None)
        self._admission.enter(0)
        try:
            proof = await within(
                self._deadline,
                task_proof(
                    task_id, self._log, self._seals, contents, since, tenant=caller_of(scope).sees
                ),
            )
        except NoSuchCheckpoint as error:
            raise _no_such_checkpoint(error) from None
        except LogForked as error:
            raise _broken(error) from error
        finally:
            self._admission.leave(0)
        if proof is None:
            raise no_such_task(task_id)
        await send_json(send, to_json(proof).encode())


def _yes_or_no(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def _no_such_checkpoint(error: NoSuchCheckpoint) -> Problem:
    return Problem(
        404,
        "no-such-checkpoint",
        "Checkpoint not found",
        "The log has no checkpoint of this size. Name one that you have, or leave `since` out.",
        errors=[FieldProblem("since", str(error))],
    )


def _broken(error: LogForked) -> Problem:
    return Problem(
        500,
        "log-damaged",
        "The log is damaged",
        f"The proof cannot be made. {error} Tell the operator of this service.",
    )
