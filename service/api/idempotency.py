"""Safe retries: a task's id derives from its Idempotency-Key, so the log itself finds the twin."""

import re
from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from domain.contents import commitments
from domain.events import TaskSubmitted
from domain.log import Append, History, RecordedEvent
from domain.payloads import Commitment, Payload, PayloadKind
from service.api.guard import STORE_RETRY_SECONDS
from service.api.problems import FieldProblem, Problem, unavailable

_KEY = re.compile(rb"[\x20-\x7e]{1,255}")


def idempotency_key(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the request's key, if it has one.

    Raises:
        Problem: 400, the header is there and cannot serve as key.
    """
    key = headers.get(b"idempotency-key")
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        raise Problem(
            400,
            "invalid-header",
            "Invalid header",
            "Idempotency-Key cannot serve as key.",
            errors=[FieldProblem("Idempotency-Key", "must be 1 to 255 printable ASCII characters")],
        )
    return key.decode("ascii")


def first_submission(history: History, repeated: Append) -> RecordedEvent:
    """Return the submission that a request with the same key repeats.

    Raises:
        Problem: 422, the key was used for something else; 410, what was submitted then was erased.
    """
    first = history.events[0]
    if is_erased(history):
        raise _erased(first.task_id)
    if not repeats(history, repeated):
        raise key_reused(first.task_id, "submitted")
    return first


def is_erased(history: History) -> bool:
    """Tell whether something of what was submitted is not there any more."""
    return bool(commitments(history.events[0].event).keys() - history.payloads.keys())


def repeats(history: History, repeated: Append) -> bool:
    """Tell whether a submission asks for what a task was submitted with."""
    return _same(history.events[0].event, repeated, history.payloads)


def key_reused(which: UUID, done: str, thing: Literal["task", "batch"] = "task") -> Problem:
    """Return the answer to a request whose key was used with another body.

    Args:
        which: id of the thing that the key belongs to.
        done: what was done to it then.
    """
    return Problem(
        422,
        "idempotency-key-reused",
        "Idempotency-Key reused",
        f"This key belongs to {thing} {which}, which was {done} with another body. "
        "Repeat that body, or use a new key.",
        errors=[FieldProblem("Idempotency-Key", "was used with another body")],
        members={f"{thing}_id": str(which)},
    )


def outcome_unknown(task_id: UUID, *, replayable: bool) -> Problem:
    """Return the answer to a submission of which nobody knows whether it was stored."""
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


def _erased(task_id: UUID) -> Problem:
    return Problem(
        410,
        "task-erased",
        "Task erased",
        f"This key belongs to task {task_id}, whose contents were erased: nobody can tell any more "
        "whether this is the request of then. To run the circuit again, use a new key.",
        errors=[FieldProblem("Idempotency-Key", "belongs to a task that was erased")],
        members={"task_id": str(task_id)},
    )


def _same(event: object, repeated: Append, stored: Mapping[str, Payload]) -> bool:
    if not (isinstance(event, TaskSubmitted) and isinstance(repeated.event, TaskSubmitted)):
        return False
    sent = {payload.kind: payload for payload in repeated.payloads}
    return (
        event.options == repeated.event.options
        and event.labels == repeated.event.labels
        and _same_content(event.circuit, PayloadKind.CIRCUIT, sent, stored)
        and _same_content(event.parameters, PayloadKind.PARAMETERS, sent, stored)
    )


def _same_content(
    commitment: Commitment | None,
    kind: PayloadKind,
    sent: Mapping[PayloadKind, Payload],
    stored: Mapping[str, Payload],
) -> bool:
    """Compare through the commitment, with the stored salt."""
    mine = sent.get(kind)
    if commitment is None or mine is None:
        return commitment is None and mine is None
    theirs = stored.get(kind)
    return theirs is not None and Payload(kind, mine.body, theirs.salt).matches(commitment)
