"""Reading a request's body: only JSON, only so much, and not for ever.

A circuit of the full size can need more bytes than it has: JSON writes a line feed as two and a
control character as six. Bodies are therefore read up to `hard_limit`; one that is longer than
`plain_limit` has to turn out to hold a circuit within its limit, or its size is what is wrong.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Receive

from service.api.problems import ClientGone, FieldProblem, Problem

ENVELOPE_BYTES = 64 * 1024
LONGEST_ESCAPE = 6
DISCARD_BYTES = 32 * 1024 * 1024
READ_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Sizes in bytes.

    Attributes:
        circuit: the circuit's text in UTF-8.
        plain: a body whose circuit needs no escapes.
        hard: what no acceptable body can exceed.
    """

    circuit: int
    plain: int
    hard: int

    @classmethod
    def for_circuits(cls, max_circuit_bytes: int) -> "BodyLimits":
        """Return the limits that follow from the largest circuit."""
        return cls(
            circuit=max_circuit_bytes,
            plain=max_circuit_bytes + ENVELOPE_BYTES,
            hard=max_circuit_bytes * LONGEST_ESCAPE + ENVELOPE_BYTES,
        )


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that does not say it is JSON; raises `Problem` (415)."""
    given = headers.get(b"content-type", b"")
    if given != b"application/json" and not _is_json(given):
        raise _early(
            headers,
            Problem(
                415,
                "unsupported-media-type",
                "Unsupported media type",
                "Send JSON with the header Content-Type: application/json.",
                errors=[FieldProblem("Content-Type", "must be application/json")],
                headers={"accept": "application/json"},
            ),
        )
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _early(
            headers,
            Problem(
                415,
                "unsupported-media-type",
                "Unsupported content encoding",
                "Send the body uncompressed, without Content-Encoding.",
                errors=[FieldProblem("Content-Encoding", "must be absent or identity")],
            ),
        )


def declared_size(headers: Mapping[bytes, bytes], limits: BodyLimits) -> int:
    """Return the most bytes that this body can have; raises `Problem` (413) for too many."""
    given = headers.get(b"content-length")
    if given is None:
        return limits.hard if b"transfer-encoding" in headers else 0
    size = int(given)
    if size > limits.hard:
        raise _early(headers, too_large(limits))
    return size


async def read_body(receive: Receive, limits: BodyLimits) -> bytes:
    """Return the whole body.

    Raises:
        Problem: 413 for too many bytes, 408 when they take too long.
        ClientGone: the client hung up.
    """
    try:
        async with asyncio.timeout(READ_SECONDS):
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                body: bytes = message.get("body", b"")
                if len(body) > limits.hard:
                    raise too_large(limits)
                return body
            return await _read_rest(message, receive, limits)
    except TimeoutError:
        raise Problem(
            408,
            "request-timeout",
            "Request timeout",
            f"The body did not arrive within {READ_SECONDS:.0f} s. Send it again.",
            headers={"connection": "close"},
        ) from None


def too_large(limits: BodyLimits) -> Problem:
    """Return the answer to a body that is larger than any acceptable one."""
    return Problem(
        413,
        "body-too-large",
        "Body too large",
        f"A circuit may have {limits.circuit} bytes, and the whole body {ENVELOPE_BYTES} more.",
        errors=[FieldProblem("circuit", f"must have at most {limits.circuit} bytes")],
    )


async def _read_rest(message: Mapping[str, object], receive: Receive, limits: BodyLimits) -> bytes:
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        if not isinstance(part, bytes):
            raise TypeError("the server handed over a body that is no bytes")
        size += len(part)
        if size <= limits.hard:
            parts.append(part)
        else:
            # Many clients read no answer before all of their body is sent: swallow a reasonable
            # amount, so that they learn what was wrong instead of seeing a broken pipe.
            parts.clear()
        if size > DISCARD_BYTES:
            raise _closing(too_large(limits))
        if not message.get("more_body", False):
            if size > limits.hard:
                raise too_large(limits)
            return b"".join(parts)
        message = await receive()
    raise ClientGone


def _is_json(content_type: bytes) -> bool:
    media_type, *parameters = content_type.lower().split(b";")
    return media_type.strip() == b"application/json" and all(
        parameter.strip().replace(b'"', b"") in {b"charset=utf-8", b"charset=utf8", b""}
        for parameter in parameters
    )


def _early(headers: Mapping[bytes, bytes], problem: Problem) -> Problem:
    """Prepare an answer that goes out before the body was read.

    The server reads and drops the rest, so that the client gets to see the answer. Where the client
    waits for leave to send it, or it is huge, the connection ends instead.
    """
    if b"expect" in headers or int(headers.get(b"content-length", b"0")) > DISCARD_BYTES:
        return _closing(problem)
    return problem


def _closing(problem: Problem) -> Problem:
    problem.headers["connection"] = "close"
    return problem
