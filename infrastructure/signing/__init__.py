"""Signs checkpoints with Ed25519 and verifies what others have signed."""

from infrastructure.signing.key_file import SigningKeyError, load_or_make, verifier_keys
from infrastructure.signing.notes import SignatureProblem, SigningKey, signature_problem

__all__ = [
    "SignatureProblem",
    "SigningKey",
    "SigningKeyError",
    "load_or_make",
    "signature_problem",
    "verifier_keys",
]
