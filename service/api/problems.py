"""Problem documents (RFC 9457): every error a client can meet, in one form."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.types import Send

from domain.identifiers import correlation_id_of_trace, new_traceparent

TYPE_PREFIX = "urn:ketlog:problem:"
MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 32


class FieldProblem(NamedTuple):
    """What is wrong with one field, header or path segment."""

    field: str
    message: str


class Problem(Exception):
    """An answer that says what went wrong, and what to do.

    Args:
        status: HTTP status.
        kind: stable name for programs; the end of the document's `type`.
        title: what kind of problem it is, the same every time.
        detail: what happened this time, and what to do next.
        errors: one entry for each bad field.
        headers: headers of the answer, such as `retry-after`.
        members: further members of the document.
        most_errors: so many of `errors` are shown.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        most_errors: int = MAX_ERRORS,
    ) -> None:
        super().__init__(f"{status} {kind}: {detail}")
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        self._most_errors = most_errors

    def document(self, correlation_id: str) -> dict[str, Any]:
        """Return the problem document as JSON-compatible values."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "correlation_id": correlation_id,
            **self.members,
        }
        if self.errors:
            document["errors"] = [error._asdict() for error in self.errors[: self._most_errors]]
        return document


class ClientGone(Exception):
    """The client hung up before its request was complete: there is nobody to answer."""


async def send_problem(problem: Problem, correlation_id: str, send: Send) -> None:
    """Answer a request with a problem document."""
    body = json.dumps(problem.document(correlation_id), ensure_ascii=True).encode("ascii")
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def plain_answer(problem: Problem, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the last answer of a connection, for what never becomes a request.

    Args:
        headers: those of every answer.
    """
    correlation_id = correlation_id_of_trace(new_traceparent())
    body = json.dumps(problem.document(correlation_id), ensure_ascii=True).encode("ascii")
    lines = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode("ascii"),
        *(b"%s: %s" % header for header in headers),
        b"content-type: " + MEDIA_TYPE.encode(),
        b"content-length: %d" % len(body),
        b"cache-control: no-store",
        b"x-content-type-options: nosniff",
        *(f"{name}: {value}".encode("ascii") for name, value in problem.headers.items()),
        b"x-correlation-id: " + correlation_id.encode("ascii"),
        b"connection: close",
    ]
    return b"\r\n".join([*lines, b"", body])


def unavailable(kind: str, title: str, detail: str, *, retry_after: int, **members: Any) -> Problem:
    """Return a 503 that says when to try again, in seconds."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        kind,
        title,
        detail,
        headers={"retry-after": str(retry_after)},
        members=members,
    )


def invalid_request(errors: Sequence[FieldProblem]) -> Problem:
    """Return a 422 that names each bad field."""
    fields = ", ".join(dict.fromkeys(error.field for error in errors[:MAX_ERRORS]))
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        "Invalid request",
        f"Correct these fields and send it again: {fields}.",
        errors=errors,
    )
