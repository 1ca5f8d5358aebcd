"""Reading a request's body: only JSON, only so much, and not for ever.

A circuit of the full size can need more bytes than it has: JSON writes a line feed as two and a
control character as six. Bodies are therefore read up to `hard_limit`; one that is longer than
`plain_limit` has to turn out to hold a circuit within its limit, or its size is what is wrong.

A body has `READ_SECONDS`, and longer while it arrives at `LEAST_BYTES_PER_SECOND` or faster.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Receive

from service.api.admission import Admission
from service.api.problems import ClientGone, FieldProblem, Problem

ENVELOPE_BYTES = 64 * 1024
LONGEST_ESCAPE = 6
DISCARD_BYTES = 32 * 1024 * 1024
READ_SECONDS = 10.0
LEAST_BYTES_PER_SECOND = 64 * 1024
_CLOSE = {"connection": "close"}


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Sizes in bytes.

    Attributes:
        circuit: the circuit's text in UTF-8; 0 where there is none in the body.
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

    @classmethod
    def without_circuit(cls) -> "BodyLimits":
        """Return the limits of a body that says only a few words."""
        return cls(circuit=0, plain=ENVELOPE_BYTES, hard=ENVELOPE_BYTES)


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that does not say it is JSON; raises `Problem` (415)."""
    given = headers.get(b"content-type", b"")
    if given != b"application/json" and not _is_json(given):
        raise Problem(
            415,
            "unsupported-media-type",
            "Unsupported media type",
            "Send JSON with the header Content-Type: application/json.",
            errors=[FieldProblem("Content-Type", "must be application/json")],
            headers={"accept": "application/json"},
        )
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem(
            415,
            "unsupported-media-type",
            "Unsupported content encoding",
            "Send the body uncompressed, without Content-Encoding.",
            errors=[FieldProblem("Content-Encoding", "must be absent or identity")],
        )


def declared_size(headers: Mapping[bytes, bytes], limits: BodyLimits) -> int:
    """Return the most bytes that this body can have; raises `Problem` (413) for too many."""
    given = headers.get(b"content-length")
    if given is None:
        return limits.hard if b"transfer-encoding" in headers else 0
    size = int(given)
    if size > limits.hard:
        raise too_large(limits)
    return size


async def read_body(receive: Receive, limits: BodyLimits, admission: Admission) -> bytes:
    """Return the whole body of a request and let it in: `admission.leave` of its size must follow.

    Raises:
        Problem: 413 for too many bytes, 408 when they take too long, 503 with too much in flight.
        ClientGone: the client hung up.
    """
    reading = None
    try:
        async with asyncio.timeout(READ_SECONDS) as patience:
            body, more = await _part(receive)
            if more or len(body) > limits.hard:
                reading = _Reading(limits, admission, patience)
                body = await reading.rest(body, receive, more=more)
    except Problem as problem:
        left = {b"transfer-encoding": b"chunked"} if reading is not None and reading.more else {}
        raise await discard_body(left, receive, problem) from None
    except TimeoutError:
        raise Problem(
            408,
            "request-timeout",
            "Request timeout",
            f"The body did not arrive within {READ_SECONDS:.0f} s. Send it again.",
            headers=_CLOSE,
        ) from None
    admission.enter(len(body))
    return body


async def discard_body(
    headers: Mapping[bytes, bytes], receive: Receive, problem: Problem
) -> Problem:
    """Prepare the answer to a request whose body is not wanted; returns `problem`.

    Many clients read no answer before all of their body is sent. A reasonable amount is therefore
    read and dropped, so that they learn what was wrong instead of seeing a broken pipe. Where a
    client waits for leave to send it, or it is huge or slow, the connection ends with the answer.
    """
    if b"expect" in headers or int(headers.get(b"content-length", b"0")) > DISCARD_BYTES:
        problem.headers |= _CLOSE
        return problem
    size, more = 0, b"content-length" in headers or b"transfer-encoding" in headers
    try:
        async with asyncio.timeout(READ_SECONDS):
            while more and size <= DISCARD_BYTES:
                part, more = await _part(receive)
                size += len(part)
    except TimeoutError:
        more = True
    if more:
        problem.headers |= _CLOSE
    return problem


def too_large(limits: BodyLimits) -> Problem:
    """Return the answer to a body that is larger than any acceptable one."""
    field, most, detail = "body", limits.hard, f"The body may have {limits.hard} bytes."
    if limits.circuit:
        field, most = "circuit", limits.circuit
        detail = f"A circuit may have {most} bytes, and the whole body {ENVELOPE_BYTES} more."
    return Problem(
        413,
        "body-too-large",
        "Body too large",
        detail,
        errors=[FieldProblem(field, f"must have at most {most} bytes")],
    )


class _Reading:
    """A body that arrives in several parts.

    Attributes:
        more: whether there is more of it.
    """

    def __init__(self, limits: BodyLimits, admission: Admission, patience: asyncio.Timeout) -> None:
        self._limits = limits
        self._admission = admission
        self._patience = patience
        self._begun = asyncio.get_running_loop().time()
        self._held = 0
        self.more = True

    async def rest(self, first: bytes, receive: Receive, *, more: bool) -> bytes:
        """Return all of it; raises `Problem` (413, 503)."""
        self.more = more
        try:
            parts = [first]
            self._hold(len(first))
            while self.more:
                part, self.more = await _part(receive)
                parts.append(part)
                self._hold(len(part))
            return b"".join(parts)
        finally:
            self._admission.release(self._held)

    def _hold(self, octets: int) -> None:
        if self._held + octets > self._limits.hard:
            raise too_large(self._limits)
        self._admission.hold(octets)
        self._held += octets
        earned = self._held / LEAST_BYTES_PER_SECOND
        self._patience.reschedule(self._begun + READ_SECONDS + earned)


async def _part(receive: Receive) -> tuple[bytes, bool]:
    """Return the next part of a body and whether there is more; raises `ClientGone`."""
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


def _is_json(content_type: bytes) -> bool:
    media_type, *parameters = content_type.lower().split(b";")
    return media_type.strip() == b"application/json" and all(
        parameter.strip().replace(b'"', b"") in {b"charset=utf-8", b"charset=utf8", b""}
        for parameter in parameters
    )
