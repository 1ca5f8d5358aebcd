"""Which content each event commits to, and what of it has been erased."""

from collections.abc import Collection, Iterable, Mapping

from domain.codec import newest_fields, require_known
from domain.errors import InvalidEvent
from domain.events import Event, TaskCompleted, TaskSubmitted
from domain.log import StoredEvent
from domain.payloads import Commitment, PayloadKind


def commitments(event: Event) -> Mapping[PayloadKind, Commitment]:
    """Return what an event says of the payloads that were stored with it."""
    match event:
        case TaskSubmitted(circuit=circuit, parameters=parameters):
            said = {PayloadKind.CIRCUIT: circuit, PayloadKind.PARAMETERS: parameters}
        case TaskCompleted(result=result, memory=memory):
            said = {PayloadKind.RESULT: result, PayloadKind.MEMORY: memory}
        case _:
            return {}
    return {kind: commitment for kind, commitment in said.items() if commitment is not None}


def contents_of(events: Iterable[Event]) -> tuple[PayloadKind, ...]:
    """Return every content that some events commit to, in their order."""
    return tuple(kind for event in events for kind in commitments(event))


_KINDS: Mapping[str, tuple[PayloadKind, ...]] = {
    TaskSubmitted.__name__: (PayloadKind.CIRCUIT, PayloadKind.PARAMETERS),
    TaskCompleted.__name__: (PayloadKind.RESULT, PayloadKind.MEMORY),
}


def commitments_in(
    type_name: str, schema_version: int, data: str
) -> Mapping[PayloadKind, Commitment]:
    """Return what `commitments` would, without reading the rest of the event.

    Raises:
        InvalidEvent: unknown type, a version newer than this code, or commitments of another shape.
    """
    kinds = _KINDS.get(type_name)
    if kinds is None:
        require_known(type_name, schema_version)
        return {}
    fields = newest_fields(type_name, schema_version, data)
    try:
        return {
            kind: Commitment(said["hmac"], said["size"])
            for kind in kinds
            if (said := fields[kind]) is not None
        }
    except (KeyError, TypeError) as error:
        raise InvalidEvent(f"{type_name} has data of another shape: {error!r}") from error


def erased_contents(stored: StoredEvent, there: Collection[PayloadKind]) -> list[PayloadKind]:
    """Return which payloads an event commits to that are not there any more.

    Args:
        there: kinds of the task's payload rows. An event that cannot be read commits to nothing.
    """
    try:
        said = commitments_in(stored.type, stored.schema_version, stored.data)
    except InvalidEvent:
        return []
    return [kind for kind in said if kind not in there]
