"""Signs checkpoints with Ed25519 and verifies what others have signed."""

from infrastructure.signing.key_file import (
    SigningKeyError,
    known_keys,
    load_or_make,
    public_file,
    verifier_keys,
)
from infrastructure.signing.notes import SignatureProblem, SigningKey, signature_problem

__all__ = [
    "SignatureProblem",
    "SigningKey",
    "SigningKeyError",
    "known_keys",
    "load_or_make",
    "public_file",
    "signature_problem",
    "verifier_keys",
]
