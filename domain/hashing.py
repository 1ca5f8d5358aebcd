"""The hash chain of a task's stream.

Each event's hash covers the previous one, so no event can be changed, removed or put elsewhere
without breaking every hash behind it. The database computes it in the append itself; this is the
same function for readers. All integers are big-endian and signed.

    14  bytes  the tag "ketlog.event.1"
    32  bytes  hash of the task's previous event; zeros for version 1
    16  bytes  task id
     4  bytes  version
     4  bytes  length of the type, then the type in UTF-8
     4  bytes  schema version
    16  bytes  event id
     8  bytes  recorded_at, microseconds since 1970-01-01T00:00:00Z
     4  bytes  length of the metadata, then the metadata as stored, UTF-8
     4  bytes  length of the data, then the data as stored, UTF-8
"""

import hashlib
from datetime import UTC, datetime, timedelta

from domain.log import StoredEvent

TAG = b"ketlog.event.1"
GENESIS = bytes(32)
"""What stands in for the previous hash of a task's first event."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def event_hash(previous: bytes, event: StoredEvent) -> bytes:
    """Return the 32-byte hash that `event` must carry if `previous` is the hash before it."""
    return hash_of_fields(
        previous,
        event.task_id.bytes,
        _int4(event.version),
        event.type.encode(),
        _int4(event.schema_version),
        event.event_id.bytes,
        ((event.recorded_at - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True),
        event.metadata.encode(),
        event.data.encode(),
    )


def hash_of_fields(  # noqa: PLR0917 - the fields of the specification, in its order
    previous: bytes,
    task_id: bytes,
    version: bytes,
    type_name: bytes,
    schema_version: bytes,
    event_id: bytes,
    recorded_at: bytes,
    metadata: bytes,
    data: bytes,
) -> bytes:
    """Return the hash of an event whose fields have the form above, without their lengths."""
    return hashlib.sha256(
        b"".join(
            (
                TAG,
                previous,
                task_id,
                version,
                _int4(len(type_name)),
                type_name,
                schema_version,
                event_id,
                recorded_at,
                _int4(len(metadata)),
                metadata,
                _int4(len(data)),
                data,
            )
        )
    ).digest()


def _int4(number: int) -> bytes:
    return number.to_bytes(4, "big", signed=True)
