"""Which content each event commits to, and what of it has been erased."""

from collections.abc import Collection, Mapping

from domain.codec import decode
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


def erased_contents(stored: StoredEvent, there: Collection[PayloadKind]) -> list[PayloadKind]:
    """Return which payloads an event commits to that are not there any more.

    Args:
        there: kinds of the task's payload rows. An event that cannot be read commits to nothing.
    """
    try:
        event = decode(stored.type, stored.schema_version, stored.data)
    except InvalidEvent:
        return []
    return [kind for kind in commitments(event) if kind not in there]
