"""Events as CloudEvents 1.0 in JSON: what the API shows of them, and a line of an exported log.

    {"specversion":"1.0","id":…,"source":"/events","type":"TaskSubmitted","subject":<task id>,
     "time":…,"datacontenttype":"application/json","taskversion":1,"schemaversion":1,
     "correlationid":…,"causationid":…,"traceparent":…,"actor":…,"metadata":"{…}",
     "xid":"745","position":"12","hash":"9f3c…","leaf":"11","erased":"circuit","data":{…}}

The hash covers `data` and `metadata` as they were stored, to the byte. So `metadata` is carried as
text, beside the attributes that are read from it, and `data` is the last member, spliced in as it
is. Data with the end of a line in it, which nothing here writes, goes as `data_base64`: an event is
one line, however lines end. Numbers that may outgrow 32 bits are text, as CloudEvents asks.
`causationid`, `leaf` and `erased` may be absent.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from json.encoder import encode_basestring as quote
from typing import Any
from uuid import UUID

from domain.codec import decode_metadata
from domain.contents import erased_contents
from domain.errors import InvalidEvent
from domain.log import LoggedEvent, StoredEvent

SOURCE = "/events"
_DATA = b',"data":'


def write(event: LoggedEvent) -> str:
    """Return an event as one line of JSON, without the line's end."""
    stored = event.stored
    members = [f'"{name}":{value}' for name, value in _attributes(event)]
    if "\n" in stored.data or "\r" in stored.data:
        encoded = base64.b64encode(stored.data.encode()).decode("ascii")
        members.append(f'"data_base64":"{encoded}"')
    else:
        members.append(f'"data":{stored.data}')
    return "{" + ",".join(members) + "}"


def read(line: bytes) -> LoggedEvent:
    """Read a line that `write` wrote; nothing is said of the task's contents.

    Raises:
        InvalidEvent: it is none; the message says what is wrong with it.
    """
    try:
        return _event(*_split(line))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidEvent(f"no CloudEvent of an exported log: {error!r}") from error


def moment(time: datetime) -> str:
    """Return a UTC time as RFC 3339 with microseconds."""
    return time.isoformat(timespec="microseconds")[:26] + "Z"


def _attributes(event: LoggedEvent) -> Iterator[tuple[str, str]]:
    stored = event.stored
    yield "specversion", '"1.0"'
    yield "id", f'"{stored.event_id}"'
    yield "source", f'"{SOURCE}"'
    yield "type", quote(stored.type)
    yield "subject", f'"{stored.task_id}"'
    yield "time", f'"{moment(stored.recorded_at)}"'
    yield "datacontenttype", '"application/json"'
    yield "taskversion", str(stored.version)
    yield "schemaversion", str(stored.schema_version)
    for name, value in _readable_metadata(stored):
        yield name, quote(value)
    yield "metadata", quote(stored.metadata)
    yield "xid", f'"{stored.xid}"'
    yield "position", f'"{stored.position}"'
    yield "hash", f'"{stored.hash.hex()}"'
    if event.leaf is not None:
        yield "leaf", f'"{event.leaf}"'
    erased = erased_contents(stored, event.contents)
    if erased:
        yield "erased", quote(",".join(erased))


def _readable_metadata(stored: StoredEvent) -> Iterator[tuple[str, str]]:
    try:
        metadata = decode_metadata(stored.metadata)
    except InvalidEvent:
        return
    yield "correlationid", metadata.correlation_id
    if metadata.causation_id is not None:
        yield "causationid", str(metadata.causation_id)
    yield "traceparent", metadata.traceparent
    yield "actor", metadata.actor


def _split(line: bytes) -> tuple[dict[str, Any], str]:
    """Return a line's attributes and its data, as it was stored."""
    # Inside a string the marker's quotes would be escaped: the first one found is the member.
    head, found, rest = line.partition(_DATA)
    if not found:
        attributes = json.loads(line)
        return attributes, base64.b64decode(attributes["data_base64"], validate=True).decode()
    if not rest.endswith(b"}"):
        raise ValueError("the line does not end with its data")
    return json.loads(head + b"}"), rest[:-1].decode()


def _event(attributes: dict[str, Any], data: str) -> LoggedEvent:
    if attributes["specversion"] != "1.0" or attributes["source"] != SOURCE:
        raise ValueError("it is of another version or source")
    stored = StoredEvent(
        position=int(attributes["position"]),
        xid=int(attributes["xid"]),
        event_id=UUID(attributes["id"]),
        task_id=UUID(attributes["subject"]),
        version=_integer(attributes["taskversion"]),
        type=_text(attributes["type"]),
        schema_version=_integer(attributes["schemaversion"]),
        data=data,
        metadata=_text(attributes["metadata"]),
        recorded_at=datetime.fromisoformat(attributes["time"]).astimezone(UTC),
        hash=bytes.fromhex(attributes["hash"]),
    )
    for name, value in _readable_metadata(stored):
        if attributes.get(name) != value:
            raise ValueError(f"{name} is not what its metadata says")
    leaf = attributes.get("leaf")
    return LoggedEvent(stored, leaf=None if leaf is None else int(leaf))


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise ValueError(f"{value!r} is no version")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
