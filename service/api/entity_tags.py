"""Answers that a client may keep: strong entity tags, and `304` for what it has already.

A tag names the bytes of one representation: what they are made from, the form in which they are
asked for, and the version of this service, which may word them anew.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from starlette.types import Send

from domain import __version__

_CACHE = (b"cache-control", b"private, no-cache")
_TAG_DIGITS = 32
Header = tuple[bytes, bytes]


def entity_tag(form: str, *sources: str) -> bytes:
    """Return the tag of a representation.

    Args:
        form: which representation it is.
        sources: what it is made from, such as hashes.
    """
    named = "\n".join((__version__, form, *sources)).encode()
    return f'"{sha256(named).hexdigest()[:_TAG_DIGITS]}"'.encode("ascii")


def is_known(tag: bytes, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the client says in `If-None-Match` that it has this representation."""
    given = headers.get(b"if-none-match")
    if given is None:
        return False
    known = [each.strip().removeprefix(b"W/") for each in given.split(b",")]
    return tag in known or known == [b"*"]


async def send_not_modified(send: Send, tag: bytes) -> None:
    """Answer that what the client has is what it would get."""
    headers = [(b"etag", tag), _CACHE]
    await send({"type": "http.response.start", "status": 304, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def send_entity(
    send: Send, body: bytes, media_type: str, tag: bytes, more: Sequence[Header] = ()
) -> None:
    """Answer with a representation that the client may keep, if it asks each time."""
    headers = [
        (b"content-type", media_type.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"etag", tag),
        _CACHE,
        *more,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
