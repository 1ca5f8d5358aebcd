"""A log as lines of JSON, to be kept or moved: what the lines beside the events say.

    {"export":"begin","format":"ketlog.export.1","exported_at":…,"sealed":12,"payloads":true}
    {"specversion":"1.0",…}                                     an event, see `domain.cloudevents`
    {"export":"payload","task_id":…,"kind":"circuit","salt":…,"body":…}     after its event
    {"export":"checkpoint","size":8,"root":…,"note":…,"sealed_at":…}        after leaf 7
    {"export":"end","events":14,"payloads":9,"checkpoints":2,"sha256":…}

The first `sealed` events come in the order of their leaves, which is that of the log, and carry
their leaf; the others follow in the order of the log. So the order gives each event the one before
it, and the tree. `sha256` covers every byte before the last line, which shows that nothing is cut
off.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from domain import cloudevents
from domain.cloudevents import moment
from domain.codec import to_json
from domain.errors import InvalidExport
from domain.log import LoggedEvent
from domain.payloads import Payload, PayloadKind
from domain.seals import StoredCheckpoint

FORMAT = "ketlog.export.1"
_MARK = b'{"export":'


@dataclass(frozen=True, slots=True)
class Begin:
    """The first line.

    Attributes:
        sealed: so many events carry a leaf.
        payloads: whether payload rows are in the export.
    """

    exported_at: datetime
    sealed: int
    payloads: bool


@dataclass(frozen=True, slots=True)
class ExportedPayload:
    """A payload row of a task."""

    task_id: UUID
    payload: Payload


@dataclass(frozen=True, slots=True)
class End:
    """The last line: how many lines of each sort there are, and SHA-256 of all before it."""

    events: int
    payloads: int
    checkpoints: int
    sha256: str


Line: TypeAlias = Begin | LoggedEvent | ExportedPayload | StoredCheckpoint | End


def write(line: Line) -> bytes:
    """Return a line with its end."""
    if isinstance(line, LoggedEvent):
        return cloudevents.write(line).encode() + b"\n"
    return to_json({"export": _NAMES[type(line)], **_fields(line)}).encode() + b"\n"


def read(line: bytes) -> Line:
    """Read a line.

    Raises:
        InvalidExport: it is none; the message says what is wrong with it.
        InvalidEvent: the same, for a line that looks like an event.
    """
    if not line.startswith(_MARK):
        return cloudevents.read(line.removesuffix(b"\n"))
    try:
        fields: dict[str, Any] = json.loads(line)
        return _READERS[fields.pop("export")](fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidExport(f"no line of an exported log: {error!r}") from error


def _fields(line: Begin | ExportedPayload | StoredCheckpoint | End) -> dict[str, Any]:
    match line:
        case Begin(exported_at, sealed, payloads):
            return {
                "format": FORMAT,
                "exported_at": moment(exported_at),
                "sealed": sealed,
                "payloads": payloads,
            }
        case ExportedPayload(task_id, payload):
            return {
                "task_id": str(task_id),
                "kind": payload.kind,
                "salt": payload.salt.hex(),
                "body": base64.b64encode(payload.body).decode("ascii"),
            }
        case StoredCheckpoint(size, root, note, sealed_at):
            return {
                "size": size,
                "root": root.hex(),
                "note": note,
                "sealed_at": moment(sealed_at),
            }
        case End():
            return asdict(line)


def _begin(fields: dict[str, Any]) -> Begin:
    if fields["format"] != FORMAT:
        raise ValueError(f"this reads {FORMAT}, not {fields['format']}")
    return Begin(_time(fields["exported_at"]), _count(fields["sealed"]), bool(fields["payloads"]))


def _payload(fields: dict[str, Any]) -> ExportedPayload:
    body = base64.b64decode(fields["body"], validate=True)
    payload = Payload(PayloadKind(fields["kind"]), body, bytes.fromhex(fields["salt"]))
    return ExportedPayload(UUID(fields["task_id"]), payload)


def _checkpoint(fields: dict[str, Any]) -> StoredCheckpoint:
    return StoredCheckpoint(
        _count(fields["size"]),
        bytes.fromhex(fields["root"]),
        fields["note"],
        _time(fields["sealed_at"]),
    )


def _end(fields: dict[str, Any]) -> End:
    events, payloads, checkpoints = map(
        _count, (fields["events"], fields["payloads"], fields["checkpoints"])
    )
    return End(events, payloads, checkpoints, fields["sha256"])


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_NAMES = {
    Begin: "begin",
    ExportedPayload: "payload",
    StoredCheckpoint: "checkpoint",
    End: "end",
}
_READERS: dict[str, Callable[[dict[str, Any]], Line]] = {
    "begin": _begin,
    "payload": _payload,
    "checkpoint": _checkpoint,
    "end": _end,
}
