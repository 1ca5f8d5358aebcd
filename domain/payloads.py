"""Content kept beside the log, and the commitments by which events speak of it.

Circuits, parameters and results can be large and may have to be erased one day. They are rows of
their own; an event carries only an HMAC over the content and its size. Deleting a row, salt and
all, erases the content and leaves every hash and proof valid.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from enum import StrEnum

SALT_BYTES = 32


class PayloadKind(StrEnum):
    """What a payload row holds; a task has at most one row of each kind."""

    CIRCUIT = "circuit"
    """The submitted text, UTF-8."""
    PARAMETERS = "parameters"
    """JSON object: values for the program's `input` declarations."""
    RESULT = "result"
    """JSON object: outcome -> number of shots."""
    MEMORY = "memory"
    """JSON array: the outcome of each shot in order."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """What an event says of a payload: HMAC-SHA256(salt, body) in hex, and the size in bytes."""

    hmac: str
    size: int


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload row. The salt is random, so that a short body cannot be guessed from its HMAC."""

    kind: PayloadKind
    body: bytes
    salt: bytes = field(default_factory=lambda: os.urandom(SALT_BYTES))

    def commitment(self) -> Commitment:
        """Return what the event that introduces this payload carries of it."""
        return Commitment(hmac=hmac_of(self.salt, self.body), size=len(self.body))

    def matches(self, commitment: Commitment) -> bool:
        """Tell whether this is the content that an event committed to."""
        return self.commitment() == commitment


def hmac_of(salt: bytes, body: bytes) -> str:
    """Return HMAC-SHA256(salt, body) as 64 hex digits."""
    return hmac.digest(salt, body, hashlib.sha256).hex()
