"""Server-Sent Events, as the HTML standard defines them, with CloudEvents as their data.

    id: 3
    data: {"specversion":"1.0","type":"TaskCompleted",…}

CloudEvents have no `event:` line, so that browsers hand them to `onmessage`. What the stream says
of itself has one: `event: end`, before the connection is closed. An `id:` without data moves the
place at which a client resumes, and reaches no handler.
"""

from enum import StrEnum

from domain.cloudevents import write
from domain.codec import to_json
from domain.log import LoggedEvent

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b":\n\n"


class End(StrEnum):
    """Why a stream is closed by the service."""

    TASK_ENDED = "task-ended"
    TOO_SLOW = "too-slow"
    SHUTTING_DOWN = "shutting-down"
    RENEW = "renew"
    KEY_REFUSED = "key-refused"


_ADVICE = {
    End.TASK_ENDED: "The task has ended; nothing follows. Close the connection.",
    End.TOO_SLOW: "More has happened than was read in time. Connect again with Last-Event-ID and "
    "nothing is lost; a filter makes it less.",
    End.SHUTTING_DOWN: "The process is shutting down. Connect again with Last-Event-ID and nothing "
    "is lost.",
    End.RENEW: "The stream was open for as long as one may be. Connect again with Last-Event-ID "
    "and nothing is lost.",
    End.KEY_REFUSED: "The key was revoked or has expired. Connect again with Last-Event-ID and "
    "another key, and nothing is lost.",
}


def event_frame(identifier: str, event: LoggedEvent) -> bytes:
    """Return an event as a client gets it.

    Args:
        identifier: where a client resumes that has got it.
    """
    return f"id: {identifier}\ndata: {write(event)}\n\n".encode()


def place_frame(identifier: str) -> bytes:
    """Return what moves the place at which a client resumes; also a heartbeat."""
    return f"id: {identifier}\n\n".encode()


def retry_frame(milliseconds: int) -> bytes:
    """Return what tells a client how long to wait before it connects again."""
    return f"retry: {milliseconds}\n\n".encode()


def end_frame(end: End) -> bytes:
    """Return the last words of a stream."""
    data = to_json({"reason": end.value, "detail": _ADVICE[end]})
    return f"event: end\ndata: {data}\n\n".encode()
