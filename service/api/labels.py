"""What a client says about a task beside the circuit: the fields, their limits, and what is stored.

{"circuit": …, "name": "a Bell pair", "tags": {"device": "north"}, "priority": "high",
 "not_before": "2026-01-02T03:04:05Z"}
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

from domain.labels import NO_LABELS, Labels, Priority
from service.api.parameters import rfc3339
from service.api.problems import FieldProblem, invalid_request

MAX_NAME_CHARACTERS = 128
MAX_TAGS = 16
_NO_CONTROLS = r"^[^\u0000-\u001f\u007f]*$"


def _not_before(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a time as text, such as 2025-12-28T14:30:00Z")  # noqa: TRY004 - pydantic's
    return rfc3339(value)


Name: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_CHARACTERS,
        pattern=_NO_CONTROLS,
        description="A name for people; need not be unique.",
        examples=["a Bell pair"],
    ),
]
TagName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
TagValue: TypeAlias = Annotated[str, Field(max_length=256, pattern=_NO_CONTROLS)]
Tags: TypeAlias = Annotated[
    dict[TagName, TagValue],
    Field(
        max_length=MAX_TAGS,
        description="Names and values of your own to find tasks by.",
        examples=[{"device": "north", "run": "7"}],
        json_schema_extra={"additionalProperties": False},
    ),
]
NotBefore: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_not_before),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "examples": ["2026-01-02T03:04:05Z"],
            "description": "RFC 3339. No worker gets the task before this time.",
        }
    ),
]


class Labelled(Protocol):
    """A submission, as far as it says something about its task."""

    name: str | None
    tags: dict[str, str] | None
    priority: Priority
    not_before: datetime | None


def labels_of(task: Labelled, furthest_start: timedelta) -> Labels:
    """Return what a submission says about its task.

    Args:
        furthest_start: how far in the future the earliest start may be.

    Raises:
        Problem: 422, it is further away.
    """
    if not (task.name or task.tags or task.not_before) and task.priority is Priority.NORMAL:
        return NO_LABELS
    if task.not_before is not None and task.not_before - datetime.now(UTC) > furthest_start:
        days = furthest_start // timedelta(days=1)
        raise invalid_request([FieldProblem("not_before", f"must be at most {days} days from now")])
    return Labels(task.name, task.tags or {}, task.priority, task.not_before)
