"""The language between a pool and its simulators: length-prefixed JSON, never pickle.

A frame is four bytes of length, big-endian, and as many bytes of JSON. The pool sends
`{"token": n, "request": {...}}`; the simulator says `{"ready": {...}}` once and then answers
each request that it began with `{"token": n, "outcome": {...}}`.

Beside the frames goes a pipe of tickets: eight bytes that name the token of a frame. A simulator
begins a request only after it has taken the ticket out of the pipe, and the pool can take a ticket
back by reading the same pipe. Whoever reads it first has it, so a request lying in front of a busy
simulator is either taken back for certain or begun for certain.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

_LENGTH = struct.Struct(">I")
_TICKET = struct.Struct(">Q")
TICKET_BYTES = _TICKET.size
MAX_FRAME_BYTES = 64 * 1024 * 1024

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class FrameError(ValueError):
    """The other side sent something that is no frame."""


def frame(message: Mapping[str, Any]) -> bytes:
    """Pack one JSON-compatible message."""
    body = _encode(message).encode("ascii")
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"A frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}.")
    return _LENGTH.pack(len(body)) + body


def ticket(token: int) -> bytes:
    """Pack the permission to begin the request with this token."""
    return _TICKET.pack(token)


def read_tickets(packed: bytes) -> list[int]:
    """Unpack the tokens of any number of tickets."""
    return [token for (token,) in _TICKET.iter_unpack(packed)]


class FrameBuffer:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Add bytes as they came and yield the messages that are complete.

        Raises:
            FrameError: the bytes are no frames.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer)
            if length > MAX_FRAME_BYTES:
                raise FrameError(f"A frame announces {length} bytes.")
            end = _LENGTH.size + length
            if len(buffer) < end:
                return
            body = bytes(buffer[_LENGTH.size : end])
            del buffer[:end]
            yield _message(body)


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except ValueError as error:
        raise FrameError(f"A frame holds no JSON: {error}.") from None
    if not isinstance(message, dict):
        raise FrameError("A frame holds no JSON object.")
    return message
