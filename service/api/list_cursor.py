"""Places in lists of tasks, as opaque text that leads on in one list only.

A cursor carries a digest of the tenant and the filters that it was made for. That is no protection:
whoever builds one gets nothing but tasks of the own tenant. It keeps a cursor from being used with
other filters by mistake, where it would silently leave out tasks.
"""

import base64
import binascii
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from domain.codec import to_json
from domain.listing import Place

_FORM: Final = 1
_DIGEST_BYTES: Final = 8
_CURSOR: Final = struct.Struct(f">Bq16s{_DIGEST_BYTES}s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_REFUSED: Final = (
    "must be the `cursor` of the `next` of an earlier answer, with the same filters and key; "
    "omit it to begin"
)


def cursor_text(place: Place, chosen: object) -> str:
    """Return a place as text.

    Args:
        chosen: JSON-compatible; whose tasks are listed, and which of them.
    """
    microseconds = (place.submitted_at - _EPOCH) // _MICROSECOND
    digest = _digest(microseconds, place.task_id, chosen)
    packed = _CURSOR.pack(_FORM, microseconds, place.task_id.bytes, digest)
    return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def cursor_of(chosen: object) -> Callable[[str], Place]:
    """Return a parser of what `cursor_text` wrote for the same `chosen`; it raises `ValueError`."""

    def parse(text: str) -> Place:
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            form, microseconds, task_id, digest = _CURSOR.unpack(packed)
            place = Place(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=task_id))
        except (struct.error, binascii.Error, ValueError, OverflowError):
            raise ValueError(_REFUSED) from None
        if form != _FORM or digest != _digest(microseconds, place.task_id, chosen):
            raise ValueError(_REFUSED)
        return place

    return parse


def _digest(microseconds: int, task_id: UUID, chosen: object) -> bytes:
    named = to_json([microseconds, str(task_id), chosen])
    return sha256(named.encode()).digest()[:_DIGEST_BYTES]
