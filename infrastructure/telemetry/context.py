"""W3C trace context as text: which trace, which span in it, whether it is recorded.

    00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
       trace id                         span id          flags

Spans of a task's later life hang below the span that the event log names. Their ids are derived
from the ids of events, so any process can name a span that another one makes, or died making.
"""

import hashlib
import os
from uuid import UUID

_SAMPLED = 0x01


def is_sampled(traceparent: str) -> bool:
    """Tell whether the spans of this trace are recorded."""
    return bool(int(traceparent[-2:], 16) & _SAMPLED)


def trace_id_of(traceparent: str) -> str:
    """Return 32 hexadecimal digits."""
    return traceparent[3:35]


def span_id_of(traceparent: str) -> str:
    """Return 16 hexadecimal digits."""
    return traceparent[36:52]


def child_of(traceparent: str, span_id: str | None = None) -> str:
    """Return the context of a span in the same trace, with a new id unless one is given."""
    return f"{traceparent[:36]}{span_id or new_span_id()}-{traceparent[-2:]}"


def new_span_id() -> str:
    """Return the id of a span that nobody else has to know."""
    return os.urandom(8).hex()


def span_id_of_event(event_id: UUID, role: str) -> str:
    """Return the id of the span that has this role around an event."""
    return hashlib.sha256(role.encode() + event_id.bytes).digest()[:8].hex()


def attempt_context(traceparent: str, claim_id: UUID) -> str:
    """Return the context of the attempt that began with this `ProcessingStarted`."""
    return child_of(traceparent, span_id_of_event(claim_id, "process"))


def claim_context(traceparent: str, claim_id: UUID) -> str:
    """Return the context of the claim with which an attempt began."""
    return child_of(traceparent, span_id_of_event(claim_id, "claim"))
