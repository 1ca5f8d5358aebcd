"""Answers of the task endpoints, put together from text.

Counts, memory and execution are JSON in the database already. They go out as they are: reading
them to write them again would cost more than everything else in an answer.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from json.encoder import encode_basestring_ascii as quote
from uuid import UUID

from starlette.types import Send

from domain.codec import to_json
from domain.labels import NO_LABELS, Labels, Priority
from domain.ports import TaskView

_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_REPLAYED = (b"idempotency-replayed", b"true")


def moment(time: datetime) -> str:
    """Return a UTC time as RFC 3339 with milliseconds."""
    return time.isoformat(timespec="milliseconds")[:23] + "Z"


async def send_json(
    send: Send,
    body: bytes,
    status: int = 200,
    *,
    replayed: bool = False,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with JSON that nobody may keep.

    Args:
        replayed: an earlier request with the same key did what this one asks for.
        more: further headers.
    """
    headers = [_JSON, (b"content-length", b"%d" % len(body)), _NO_STORE, *more]
    if replayed:
        headers.append(_REPLAYED)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_submitted(
    send: Send, task_id: UUID, submitted_at: datetime, correlation_id: str, *, replayed: bool
) -> None:
    """Answer a submission that is in the log."""
    name = str(task_id)
    body = (
        f'{{"task_id":"{name}","submitted_at":"{moment(submitted_at)}",'
        f'"message":"Task submitted successfully.","correlation_id":{quote(correlation_id)}}}'
    ).encode("ascii")
    await send_accepted(send, body, f"/tasks/{name}", replayed=replayed)


async def send_accepted(send: Send, body: bytes, location: str, *, replayed: bool) -> None:
    """Answer that what was asked for is in the log, and where to look at it."""
    headers = [
        _JSON,
        (b"content-length", b"%d" % len(body)),
        (b"location", location.encode("ascii")),
    ]
    if replayed:
        headers.append(_REPLAYED)
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_nothing(send: Send) -> None:
    """Answer that what was asked for is so, without a body."""
    await send({"type": "http.response.start", "status": 204, "headers": [_NO_STORE]})
    await send({"type": "http.response.body", "body": b""})


def task_status(view: TaskView) -> bytes:
    """Return a task's status answer; fields without a value are absent."""
    return b"{" + b",".join(b'"%s":%s' % field for field in _fields(view)) + b"}"


def _fields(view: TaskView) -> Iterator[tuple[bytes, bytes]]:
    yield b"task_id", _text(str(view.task_id))
    yield b"status", _text(view.status)
    yield b"submitted_at", _text(moment(view.submitted_at))
    if view.started_at is not None:
        yield b"started_at", _text(moment(view.started_at))
    if view.completed_at is not None:
        yield b"completed_at", _text(moment(view.completed_at))
    if view.result is not None:
        yield b"result", view.result
    yield b"status_history", _history(view)
    yield b"correlation_id", _text(view.correlation_id)
    yield b"shots", b"%d" % view.shots
    yield b"attempt", b"%d" % view.attempt
    yield b"version", b"%d" % view.version
    if view.labels is not NO_LABELS:
        yield from _labels(view.labels)
    yield from _reasons(view)
    if view.execution is not None:
        yield b"execution", view.execution
    if view.memory is not None:
        yield b"memory", view.memory
    if view.reproductions:
        yield b"reproductions", _reproductions(view)
    if view.erased:
        yield b"erased", to_json(view.erased).encode()
    if view.erased_at is not None:
        yield b"erased_at", _text(moment(view.erased_at))


def _labels(labels: Labels) -> Iterator[tuple[bytes, bytes]]:
    if labels.name is not None:
        yield b"name", _text(labels.name)
    if labels.tags:
        yield b"tags", to_json(labels.tags).encode()
    if labels.priority is not Priority.NORMAL:
        yield b"priority", _text(labels.priority)
    if labels.not_before is not None:
        yield b"not_before", _text(moment(labels.not_before))
    if labels.batch_id is not None:
        yield b"batch_id", _text(str(labels.batch_id))
    if labels.origin is not None:
        yield b"origin", _text(str(labels.origin))


def _reasons(view: TaskView) -> Iterator[tuple[bytes, bytes]]:
    if view.error_code is not None:
        yield b"error_code", _text(view.error_code)
    if view.error_message is not None:
        yield b"error_message", _text(view.error_message)
    if view.cancel_reason:
        yield b"cancel_reason", _text(view.cancel_reason)


def _history(view: TaskView) -> bytes:
    lines = [
        f'{{"status":"{entry.status}","transitioned_at":"{moment(entry.transitioned_at)}",'
        f'"notes":{quote(entry.notes)}}}'
        for entry in view.history
    ]
    return f"[{','.join(lines)}]".encode("ascii")


def _reproductions(view: TaskView) -> bytes:
    lines = [
        {
            "outcome": "reproduced" if made.reproduced else "diverged",
            "compared_at": moment(made.compared_at),
            "distance": made.distance,
            "differences": made.differences,
        }
        for made in view.reproductions
    ]
    return to_json(lines).encode()


def _text(text: str) -> bytes:
    return quote(text).encode("ascii")
