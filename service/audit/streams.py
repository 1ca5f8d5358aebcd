"""Whether the events of each task are what was recorded: all of them, in order, with contents.

Nearly every stream is intact, which a tight loop finds out. Only one that is not is looked at
again, in `service.audit.diagnosis`, to tell what was done to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from domain.errors import InvalidEvent
from domain.hashing import GENESIS
from domain.payloads import Commitment
from infrastructure.postgres.audit import (
    AuditedEvent,
    Head,
    Range,
    SealedEvent,
    Streams,
    read_streams,
)
from infrastructure.postgres.connect import Connection
from service.audit.diagnosis import Stream, commitments_of, diagnose, is_erasure
from service.audit.findings import Finding, Tally


class Checked(NamedTuple):
    """What was found in a range of tasks."""

    findings: list[Finding]
    tally: Tally


async def check_range(connection: Connection, tasks: Range) -> Checked:
    """Check the streams of a range of tasks."""
    tally = Tally()
    piece = await read_streams(connection, tasks)
    return Checked(list(check_streams(piece, tally)), tally)


def check_streams(piece: Streams, tally: Tally) -> Iterator[Finding]:
    """Yield what is wrong with some tasks."""
    leaves, heads, contents = piece.leaves, piece.heads, piece.contents
    for task_id, group in groupby(piece.events, key=itemgetter(0)):
        events = list(group)
        sealed = leaves.pop(task_id, {})
        head = heads.pop(task_id, None)
        kept = contents.pop(task_id, {})
        tally.tasks += 1
        tally.events += len(events)
        missing = _missing(events, kept) if _is_intact(events, sealed, head) else None
        if missing is None:
            stream = Stream(UUID(bytes=task_id), events, sealed, head, kept)
            yield from diagnose(stream)
        elif is_erasure(events[-1]):
            tally.erased += missing
        else:
            tally.missing += missing
    for task_id in leaves.keys() | heads.keys() | contents.keys():
        remains = Stream(
            UUID(bytes=task_id),
            [],
            leaves.get(task_id, {}),
            heads.get(task_id),
            contents.get(task_id, {}),
        )
        yield from diagnose(remains)


def _is_intact(
    events: Sequence[AuditedEvent], sealed: Mapping[int, SealedEvent], head: Head | None
) -> bool:
    previous, recorded_at, leaves = GENESIS, b"", len(sealed)
    for version, event in enumerate(events, start=1):
        hashed = event.hash
        if (
            int.from_bytes(event.version, "big") != version
            or event.recorded_at < recorded_at
            or event.hash_after(previous) != hashed
        ):
            return False
        leaf = sealed.get(version)
        if leaf is not None:
            leaves -= 1
            if leaf.hash != hashed:
                return False
        elif event.in_sealed_part:
            return False
        previous, recorded_at = hashed, event.recorded_at
    return not leaves and head == (len(events), previous)


def _missing(events: Sequence[AuditedEvent], contents: Mapping[str, Commitment]) -> int | None:
    """Return how many contents are not there any more; `None` if others are not as they were."""
    missing, left = 0, len(contents)
    if left and is_erasure(events[-1]):
        return None
    for event in events:
        try:
            said = commitments_of(event)
        except InvalidEvent:
            return None
        for kind, commitment in said.items():
            kept = contents.get(kind)
            if kept is None:
                missing += 1
            elif kept == commitment:
                left -= 1
            else:
                return None
    return None if left else missing
