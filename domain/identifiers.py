"""Task ids, event ids and correlation ids."""

import hashlib
import os
import re
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VERSION_8 = 0x8 << 76
_VARIANT = 0b10 << 62
_LOW = (1 << 62) - 1
_CORRELATION_ID = re.compile(r"[\x20-\x7e]{1,128}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def uuid7() -> UUID:
    """Return a new UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits.

    Ids made later sort later (to the millisecond), so B-trees of ids grow at their right edge.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high = random >> 68
    low = random & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | _VERSION_7 | (high << 64) | _VARIANT | low)


def task_id_for_key(tenant: str, key: str) -> UUID:
    """Derive a task id (UUIDv8) from an idempotency key, so that no table maps one to the other.

    Both parts are length-prefixed: no two (tenant, key) pairs share their bytes.
    """
    return _derived(b"ketlog/idempotency-key/1", tenant.encode(), key.encode())


def event_id_for_key(task_id: UUID, key: str) -> UUID:
    """Derive the id of the event that a request on a task causes from its idempotency key (UUIDv8).

    So the event itself shows that the request was carried out before.
    """
    return _derived(b"ketlog/event-of-key/1", task_id.bytes, key.encode())


def batch_id_for_key(tenant: str, key: str) -> UUID:
    """Derive the id of a batch (UUIDv8) from an idempotency key, like that of a task."""
    return _derived(b"ketlog/batch-of-key/1", tenant.encode(), key.encode())


def task_id_in_batch(batch_id: UUID, place: int) -> UUID:
    """Derive the id of a batch's task (UUIDv8): 48 bits of the batch's, 12 bits of the place.

    So the tasks of a batch sort by their places and lie side by side in every index.

    Args:
        place: 0 to 4095.
    """
    hashed = _derived(b"ketlog/task-in-batch/1", batch_id.bytes, place.to_bytes(2))
    prefix = batch_id.int >> 80 << 80
    return UUID(int=prefix | _VERSION_8 | place << 64 | _VARIANT | hashed.int & _LOW)


def _derived(purpose: bytes, *parts: bytes) -> UUID:
    digest = hashlib.sha256(purpose)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    bits = int.from_bytes(digest.digest()[:16], "big")
    bits &= ~(0xF << 76) & ~(0b11 << 62)
    return UUID(int=bits | _VERSION_8 | _VARIANT)


def is_correlation_id(text: str) -> bool:
    """Tell whether a text can serve as correlation id: 1-128 printable ASCII characters."""
    return _CORRELATION_ID.fullmatch(text) is not None


def is_traceparent(text: str) -> bool:
    """Tell whether a text is a valid W3C `traceparent` header of version 00 or later."""
    return _TRACEPARENT.fullmatch(text) is not None


def new_traceparent() -> str:
    """Return a `traceparent` that starts a trace of its own and does not ask to be sampled."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"


def correlation_id_of_trace(traceparent: str) -> str:
    """Return the trace id of a `traceparent`, written as a UUID."""
    return str(UUID(hex=traceparent[3:35]))
