"""The fields of tasks in lists: which there are, and how each is written."""

from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring_ascii as quote
from typing import Final

from domain.codec import to_json
from domain.labels import Priority
from domain.listing import ListedTask
from domain.payloads import PayloadKind
from service.api.answers import moment

Write = Callable[[ListedTask], str | None]


def _time(name: str) -> Write:
    def write(task: ListedTask) -> str | None:
        time = getattr(task, name)
        return None if time is None else f'"{moment(time)}"'

    return write


def _text(name: str) -> Write:
    def write(task: ListedTask) -> str | None:
        text = getattr(task, name)
        return None if text is None else quote(text)

    return write


def _id(name: str) -> Write:
    def write(task: ListedTask) -> str | None:
        identifier = getattr(task.labels, name)
        return None if identifier is None else f'"{identifier}"'

    return write


def _result(task: ListedTask) -> str | None:
    result = task.contents.get(PayloadKind.RESULT)
    return None if result is None else result.decode()


def _circuit(task: ListedTask) -> str | None:
    circuit = task.contents.get(PayloadKind.CIRCUIT)
    return None if circuit is None else quote(circuit.decode(errors="replace"))


def _priority(task: ListedTask) -> str | None:
    priority = task.labels.priority
    return None if priority is Priority.NORMAL else f'"{priority}"'


def _not_before(task: ListedTask) -> str | None:
    time = task.labels.not_before
    return None if time is None else f'"{moment(time)}"'


USUAL_FIELDS: Final[Mapping[str, Write]] = {
    "task_id": lambda task: f'"{task.task_id}"',
    "status": lambda task: f'"{task.status}"',
    "submitted_at": _time("submitted_at"),
    "started_at": _time("started_at"),
    "completed_at": _time("completed_at"),
    "correlation_id": _text("correlation_id"),
    "shots": lambda task: str(task.shots),
    "attempt": lambda task: str(task.attempt),
    "version": lambda task: str(task.version),
    "name": lambda task: None if task.labels.name is None else quote(task.labels.name),
    "tags": lambda task: to_json(dict(task.labels.tags)) if task.labels.tags else None,
    "priority": _priority,
    "not_before": _not_before,
    "batch_id": _id("batch_id"),
    "origin": _id("origin"),
    "error_code": _text("error_code"),
    "error_message": _text("error_message"),
}
"""Those that are shown unless others are asked for. A field without a value is absent."""

CONTENT_FIELDS: Final[Mapping[str, Write]] = {"result": _result, "circuit": _circuit}
CONTENTS: Final = {"result": PayloadKind.RESULT, "circuit": PayloadKind.CIRCUIT}
"""What the store has to be asked for beside, by field."""

FIELDS: Final[Mapping[str, Write]] = {**USUAL_FIELDS, **CONTENT_FIELDS}


def parse_fields(text: str) -> list[str]:
    """Return the fields that a parameter names; raises `ValueError` for others."""
    names = [name for name in text.split(",") if name]
    unknown = [name[:50] for name in names if name not in FIELDS]
    if unknown or not names:
        raise ValueError(f"must be names with commas between, of {', '.join(FIELDS)}")
    return list(dict.fromkeys(names))


def write_task(task: ListedTask, fields: Sequence[str]) -> str:
    """Return a task as JSON."""
    written = ((name, FIELDS[name](task)) for name in fields)
    return "{" + ",".join(f'"{name}":{value}' for name, value in written if value is not None) + "}"
