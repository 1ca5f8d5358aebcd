"""Events to and from what the log stores: a type name, a schema version and JSON text.

A type's fields may change; its stored past may not. When a type gets a new schema version, its old
one stays readable through an entry in `UPCASTERS`: a pure function from the data of version n to
the data of version n+1. Golden files of every version ever written are in the tests.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from domain.errors import InvalidEvent
from domain.events import (
    EVENT_TYPES,
    Event,
    ProcessingStarted,
    RequeueReason,
    ResultDiverged,
    ResultReproduced,
    TaskCancelled,
    TaskCompleted,
    TaskErased,
    TaskFailed,
    TaskRequeued,
    TaskSubmitted,
)
from domain.execution import RunOptions
from domain.labels import NO_LABELS, Labels, Priority
from domain.log import Metadata, RecordedEvent, StoredEvent
from domain.payloads import Commitment, PayloadKind

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_FIELD_NAMES = {
    kind: tuple(field.name for field in fields(kind)) for kind in (*EVENT_TYPES, RunOptions)
}

Data: TypeAlias = Mapping[str, Any]

SCHEMA_VERSIONS: Mapping[str, int] = {
    **{event_type.__name__: 1 for event_type in EVENT_TYPES},
    "TaskSubmitted": 2,
}
"""The schema version that this code writes, by type."""

UPCASTERS: Mapping[tuple[str, int], Callable[[Data], Data]] = {
    # Version 2 has labels where a client gave some; before, nobody could.
    ("TaskSubmitted", 1): lambda data: data,
}
"""(type, n) -> function from the data of schema version n to that of n+1."""


def encode(event: Event) -> tuple[str, int, str]:
    """Return an event's (type, schema version, data as JSON text)."""
    name = type(event).__name__
    if isinstance(event, TaskSubmitted):
        return name, SCHEMA_VERSIONS[name], _submitted_json(event)
    return name, SCHEMA_VERSIONS[name], to_json(_WRITERS[name](event))


def decode(type_name: str, schema_version: int, data: str) -> Event:
    """Read an event of any schema version ever written.

    Raises:
        InvalidEvent: unknown type, a version newer than this code, or data of another shape.
    """
    fields = newest_fields(type_name, schema_version, data)
    try:
        return _READERS[type_name](fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"{type_name} has data of another shape: {error!r}") from error


def decode_submission(type_name: str, schema_version: int, data: str) -> TaskSubmitted:
    """Read a task's first event; raises `InvalidEvent` as `decode` does, and for any other type."""
    event = decode(type_name, schema_version, data)
    if not isinstance(event, TaskSubmitted):
        raise InvalidEvent(f"a task begins with its submission and not with {type_name}")
    return event


def newest_fields(type_name: str, schema_version: int, data: str) -> Data:
    """Return an event's data in the form of its type's newest schema version.

    Raises:
        InvalidEvent: unknown type, a version newer than this code, or data of another shape.
    """
    require_known(type_name, schema_version)
    try:
        fields: Data = _parse(data)
        for version in range(schema_version, SCHEMA_VERSIONS[type_name]):
            fields = UPCASTERS[type_name, version](fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"{type_name} has data of another shape: {error!r}") from error
    return fields


def require_known(type_name: str, schema_version: int) -> None:
    """Raise `InvalidEvent` for a type that is unknown, or a version newer than this code."""
    newest = SCHEMA_VERSIONS.get(type_name)
    if newest is None or not 1 <= schema_version <= newest:
        raise InvalidEvent(f"{type_name} of schema version {schema_version} is not known here")


def encode_metadata(metadata: Metadata) -> str:
    """Return metadata as JSON text."""
    causation = metadata.causation_id
    tenant = f',"tenant":{to_json(metadata.tenant)}' if metadata.tenant else ""
    return (
        f'{{"correlation_id":{to_json(metadata.correlation_id)}'
        f',"causation_id":{"null" if causation is None else to_json(str(causation))}'
        f',"traceparent":{to_json(metadata.traceparent)}'
        f',"actor":{to_json(metadata.actor)}{tenant}}}'
    )


def decode_metadata(text: str) -> Metadata:
    """Read metadata from JSON text; raises `InvalidEvent` for any other shape."""
    try:
        fields = _parse(text)
        causation = fields["causation_id"]
        return Metadata(
            correlation_id=fields["correlation_id"],
            causation_id=None if causation is None else UUID(causation),
            traceparent=fields["traceparent"],
            actor=fields["actor"],
            tenant=fields.get("tenant", ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"event metadata of another shape: {error!r}") from error


def encode_labels(labels: Labels) -> str | None:
    """Return labels as JSON text, as `TaskSubmitted` has them; `None` where there are none."""
    if labels is NO_LABELS or labels == NO_LABELS:
        return None
    return to_json(_write_labels(labels))


def decode_labels(text: str | None) -> Labels:
    """Read what `encode_labels` wrote; raises `InvalidEvent` for any other shape."""
    if text is None:
        return NO_LABELS
    try:
        return _read_labels(_parse(text))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"labels of another shape: {error!r}") from error


def recorded(stored: StoredEvent) -> RecordedEvent:
    """Read the meaning of a stored event; raises `InvalidEvent` where it has none."""
    return RecordedEvent(
        event_id=stored.event_id,
        task_id=stored.task_id,
        version=stored.version,
        event=decode(stored.type, stored.schema_version, stored.data),
        metadata=decode_metadata(stored.metadata),
        recorded_at=stored.recorded_at,
    )


def to_json(value: object) -> str:
    """Return compact JSON; refuses NaN and infinities, which JSON does not have."""
    return _JSON.encode(value)


def _parse(text: str) -> Any:
    """Read JSON text. What we wrote has no space around it: not to look for it is quicker."""
    try:
        value, end = _raw_decode(text)
    except ValueError:
        end = -1
    return value if end == len(text) else json.loads(text)


_raw_decode = json.JSONDecoder().raw_decode


def _commitment(commitment: Commitment | None) -> Data | None:
    return None if commitment is None else {"hmac": commitment.hmac, "size": commitment.size}


def _read_commitment(fields: Data) -> Commitment:
    return Commitment(hmac=fields["hmac"], size=fields["size"])


def _read_optional_commitment(fields: Data | None) -> Commitment | None:
    return None if fields is None else _read_commitment(fields)


def _fields(event: "Event | RunOptions") -> Data:
    """Return a dataclass's fields by name; unlike `asdict` it copies nothing, which costs 10 µs."""
    return {name: getattr(event, name) for name in _FIELD_NAMES[type(event)]}


def _submitted_json(event: TaskSubmitted) -> str:
    """Put the text together from its parts, a third of the time that a dictionary of them takes."""
    labels = event.labels
    if labels is NO_LABELS or labels == NO_LABELS:
        more = ""
    else:
        more = f',"labels":{to_json(_write_labels(labels))}'
    return (
        f'{{"options":{_options_json(event.options)},"circuit":{_commitment_json(event.circuit)}'
        f',"parameters":{_commitment_json(event.parameters)}{more}}}'
    )


def _options_json(options: RunOptions) -> str:
    fields = (f'"{name}":{_scalar(getattr(options, name))}' for name in _FIELD_NAMES[RunOptions])
    return "{" + ",".join(fields) + "}"


def _commitment_json(commitment: Commitment | None) -> str:
    if commitment is None:
        return "null"
    return f'{{"hmac":{to_json(commitment.hmac)},"size":{_scalar(commitment.size)}}}'


def _scalar(value: object) -> str:
    """Return a value as JSON text; `to_json` is only slow for what is no string."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else to_json(value)


def _read_submitted(fields: Data) -> TaskSubmitted:
    return TaskSubmitted(
        options=RunOptions(**fields["options"]),
        circuit=_read_commitment(fields["circuit"]),
        parameters=_read_optional_commitment(fields["parameters"]),
        labels=_read_labels(fields["labels"]) if "labels" in fields else NO_LABELS,
    )


def _write_labels(labels: Labels) -> Data:
    fields: dict[str, Any] = {}
    if labels.name is not None:
        fields["name"] = labels.name
    if labels.tags:
        fields["tags"] = dict(labels.tags)
    if labels.priority is not Priority.NORMAL:
        fields["priority"] = labels.priority
    if labels.not_before is not None:
        fields["not_before"] = labels.not_before.astimezone(UTC).isoformat()
    if labels.batch_id is not None:
        fields["batch_id"] = str(labels.batch_id)
    if labels.origin is not None:
        fields["origin"] = str(labels.origin)
    return fields


def _read_labels(fields: Data) -> Labels:
    not_before, batch_id, origin = (fields.get(n) for n in ("not_before", "batch_id", "origin"))
    return Labels(
        name=fields.get("name"),
        tags=dict(fields.get("tags", {})),
        priority=Priority(fields.get("priority", Priority.NORMAL)),
        not_before=None if not_before is None else datetime.fromisoformat(not_before),
        batch_id=None if batch_id is None else UUID(batch_id),
        origin=None if origin is None else UUID(origin),
    )


def _write_completed(event: TaskCompleted) -> Data:
    return {
        "attempt": event.attempt,
        "result": _commitment(event.result),
        "memory": _commitment(event.memory),
        "execution": event.execution,
    }


def _read_completed(fields: Data) -> TaskCompleted:
    return TaskCompleted(
        attempt=fields["attempt"],
        result=_read_commitment(fields["result"]),
        memory=_read_optional_commitment(fields["memory"]),
        execution=fields["execution"],
    )


def _read_requeued(fields: Data) -> TaskRequeued:
    return TaskRequeued(
        attempt=fields["attempt"],
        reason=RequeueReason(fields["reason"]),
        detail=fields["detail"],
    )


_WRITERS: Mapping[str, Callable[[Any], Data]] = {
    "ProcessingStarted": _fields,
    "TaskCompleted": _write_completed,
    "TaskFailed": _fields,
    "TaskCancelled": _fields,
    "TaskRequeued": _fields,
    "ResultReproduced": _fields,
    "ResultDiverged": _fields,
    "TaskErased": _fields,
}
_READERS: Mapping[str, Callable[[Data], Event]] = {
    "TaskSubmitted": _read_submitted,
    "ProcessingStarted": lambda fields: ProcessingStarted(**fields),
    "TaskCompleted": _read_completed,
    "TaskFailed": lambda fields: TaskFailed(**fields),
    "TaskCancelled": lambda fields: TaskCancelled(**fields),
    "TaskRequeued": _read_requeued,
    "ResultReproduced": lambda fields: ResultReproduced(**fields),
    "ResultDiverged": lambda fields: ResultDiverged(**fields),
    "TaskErased": lambda fields: TaskErased(tuple(map(PayloadKind, fields["contents"]))),
}
