"""Signatures under checkpoints."""

from collections.abc import Sequence
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.checkpoint import Checkpoint, NoteSignature, SignedCheckpoint, VerifierKey


class SignatureProblem(StrEnum):
    """Why a checkpoint proves nothing."""

    NOT_SIGNED_BY_US = "none of its signatures is by a given key"
    WRONG_SIGNATURE = "its signature does not fit its text"


class SigningKey:
    """A private key that signs checkpoints of one log.

    Args:
        name: the log's origin; the key signs under the same name.
    """

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.verifier_key = VerifierKey(name, private_key.public_key().public_bytes_raw())

    def sign(self, size: int, root: bytes) -> SignedCheckpoint:
        """Return the signed checkpoint of a tree."""
        key = self.verifier_key
        checkpoint = Checkpoint(key.name, size, root)
        text = checkpoint.text()
        signature = self._private_key.sign(text.encode())
        return SignedCheckpoint(checkpoint, text, (NoteSignature(key.name, key.key_id, signature),))


def signature_problem(
    signed: SignedCheckpoint, keys: Sequence[VerifierKey]
) -> SignatureProblem | None:
    """Return what is wrong with a checkpoint's signatures, or `None`.

    One valid signature by a given key is enough; a wrong one by a given key spoils the note;
    those of other keys are not looked at.
    """
    found = False
    for signature in signed.signatures:
        for key in keys:
            if (signature.key_name, signature.key_id) != (key.name, key.key_id):
                continue
            if not _fits(key, signature.signature, signed.signed_text):
                return SignatureProblem.WRONG_SIGNATURE
            found = True
    return None if found else SignatureProblem.NOT_SIGNED_BY_US


def _fits(key: VerifierKey, signature: bytes, text: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
