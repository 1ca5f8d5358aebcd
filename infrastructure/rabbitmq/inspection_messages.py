"""Questions about circuits over RabbitMQ: the queue that they go through, and how they are written.

A question is a transient message with an expiry, so one that nobody takes in time is gone. The
answer comes back over the connection that asked (direct reply-to) and is never stored.

The queue belongs to the workers, and goes with the last of them, so that an unroutable question
means that nobody is there. It is durable in name alone: brokers of today deprecate queues that are
not, and no message in it outlives the broker.
"""

import json
from typing import Any

from aiormq.channel import Channel
from pamqp import commands
from pamqp.common import FieldValue

from domain.errors import InspectionRefused, InspectionTooLong, InspectorAway, InspectorBusy
from domain.inspection import Inspection, InspectionAnswer
from domain.run_json import (
    answer_from_json,
    answer_to_json,
    inspection_from_json,
    inspection_to_json,
)
from infrastructure.rabbitmq.link import answered

QUEUE = "quantum_checks"
REPLIES = "amq.rabbitmq.reply-to"
LONGEST_QUEUE = 32
"""So many questions wait at most; more are refused at once."""

CONTENT_TYPE = "application/json"
QUESTION_TYPE = "ketlog.inspection"
ANSWER_TYPE = "ketlog.inspection_answer"
TRANSIENT = 1
_UNUSED_MILLISECONDS = 60_000
_REFUSALS: dict[str, type[InspectionRefused]] = {
    "away": InspectorAway,
    "busy": InspectorBusy,
    "too_long": InspectionTooLong,
}
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class UnreadableInspection(ValueError):
    """A question or an answer that some other program wrote."""


async def declare(channel: Channel) -> None:
    """Make the queue, unless it is there; raises `BrokerUnavailable`."""
    async with answered():
        await channel.queue_declare(
            QUEUE,
            durable=True,
            auto_delete=True,
            arguments=queue_arguments(),
        )


def queue_arguments() -> dict[str, FieldValue]:
    """Return the arguments of the queue."""
    return {
        "x-max-length": LONGEST_QUEUE,
        "x-overflow": "reject-publish",
        "x-expires": _UNUSED_MILLISECONDS,
    }


def question_properties(name: str, taken_within: float) -> commands.Basic.Properties:
    """Return the properties of a question.

    Args:
        name: comes back with the answer.
        taken_within: seconds after which the question is gone if nobody has taken it.
    """
    return commands.Basic.Properties(
        content_type=CONTENT_TYPE,
        message_type=QUESTION_TYPE,
        correlation_id=name,
        delivery_mode=TRANSIENT,
        expiration=str(int(taken_within * 1000)),
        reply_to=REPLIES,
    )


def answer_properties(name: str | None) -> commands.Basic.Properties:
    """Return the properties of the answer to the question of that name."""
    return commands.Basic.Properties(
        content_type=CONTENT_TYPE,
        message_type=ANSWER_TYPE,
        correlation_id=name,
        delivery_mode=TRANSIENT,
    )


def write_question(inspection: Inspection) -> bytes:
    """Return the body of a question."""
    return _encode(inspection_to_json(inspection)).encode("ascii")


def read_question(body: bytes) -> Inspection:
    """Read a question; raises `UnreadableInspection`."""
    try:
        return inspection_from_json(_object(body))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableInspection(f"not a question: {type(error).__name__}") from None


def write_answer(answer: InspectionAnswer | InspectionRefused) -> bytes:
    """Return the body of an answer, or of a refusal to answer."""
    if isinstance(answer, InspectionRefused):
        kind = next(name for name, refusal in _REFUSALS.items() if isinstance(answer, refusal))
        return _encode({"refused": kind, "reason": str(answer)}).encode("ascii")
    return _encode(answer_to_json(answer)).encode("ascii")


def read_answer(body: bytes) -> InspectionAnswer:
    """Read an answer.

    Raises:
        InspectionRefused: one of its kinds, as `write_answer` was given it.
        UnreadableInspection: it is none.
    """
    try:
        fields = _object(body)
        if "refused" not in fields:
            return answer_from_json(fields)
        refusal = _REFUSALS[fields["refused"]](str(fields["reason"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableInspection(f"not an answer: {type(error).__name__}") from None
    raise refusal


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise TypeError
    return value
