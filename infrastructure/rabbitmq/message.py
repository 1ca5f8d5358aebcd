"""The thin message: it says which task to look at, and decides nothing.

The body is JSON so that people can read it in the management page. The circuit stays in the log.
"""

import json
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from pamqp import commands

from domain.ports import OutboxRow

CONTENT_TYPE = "application/json"
TYPE = "ketlog.task"
PERSISTENT = 2


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """What a message says.

    Attributes:
        message_id: id of the event that made the task pending.
    """

    task_id: UUID
    message_id: UUID
    correlation_id: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A message that some other program put into the queue; `reason` quotes none of its content."""

    reason: str


Decoded: TypeAlias = TaskMessage | Undecodable


def encode(row: OutboxRow) -> tuple[bytes, commands.Basic.Properties]:
    """Return the body and the properties of a row's message."""
    body = json.dumps(
        {
            "task_id": str(row.task_id),
            "correlation_id": row.correlation_id,
            "traceparent": row.traceparent,
        },
        separators=(",", ":"),
    )
    properties = commands.Basic.Properties(
        message_id=str(row.message_id),
        content_type=CONTENT_TYPE,
        delivery_mode=PERSISTENT,
        message_type=TYPE,
    )
    return body.encode(), properties


def decode(body: bytes, message_id: str | None) -> Decoded:
    """Read a message; any bytes give a value, never an exception."""
    try:
        fields = json.loads(body)
        return TaskMessage(
            task_id=UUID(fields["task_id"]),
            message_id=UUID(message_id),
            correlation_id=_text(fields["correlation_id"]),
            traceparent=_text(fields["traceparent"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return Undecodable(f"not a task message: {type(error).__name__}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
