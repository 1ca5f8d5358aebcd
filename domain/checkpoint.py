"""Checkpoints: what was signed of the log at a size, as text (C2SP tlog-checkpoint, signed-note).

    ketlog                                          origin: which log this is
    300000                                          number of leaves
    Zq1h…=                                          root of the tree over them, base64

    — ketlog Az3grlgt…=                             key name, base64(key id || signature)

The signature covers the three lines with their line ends. Nothing here signs or verifies one: see
`infrastructure.signing`.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256

from domain.errors import InvalidCheckpoint

HASH_BYTES = 32
KEY_ID_BYTES = 4
MAX_NOTE_BYTES = 16_384
MAX_SIZE = 2**63 - 1
_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree at one moment.

    Attributes:
        origin: name of the log.
        size: number of leaves.
        root: 32 bytes, see `domain.merkle`.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return what is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature under a note, by whatever key."""

    key_name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return its line in the note."""
        return f"{_DASH}{self.key_name} {_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with its signatures, which nobody has verified yet.

    Attributes:
        signed_text: what the signatures cover, exactly as in the note.
    """

    checkpoint: Checkpoint
    signed_text: str
    signatures: tuple[NoteSignature, ...]

    def note(self) -> str:
        """Return the note as it is stored and shipped."""
        return self.signed_text + "\n" + "".join(each.line() for each in self.signatures)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of an Ed25519 key that signs checkpoints, with the name it signs under."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not _is_key_name(self.name) or len(self.public_key) != HASH_BYTES:
            raise InvalidCheckpoint(f"no Ed25519 key can be named {self.name!r}")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys apart; no protection against a forged key."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return sha256(named).digest()[:KEY_ID_BYTES]

    def encode(self) -> str:
        """Return `name+id+key`, one line without its end."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public_key)}"

    @classmethod
    def decode(cls, text: str) -> "VerifierKey":
        """Read what `encode` has written; raises `InvalidCheckpoint`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _bytes(encoded, "the public key")
        if raw[:1] != _ED25519:
            raise InvalidCheckpoint("the public key is not one for Ed25519: name+id+base64")
        key = cls(name, raw[1:])
        if key.key_id.hex() != key_id:
            raise InvalidCheckpoint(f"the id in the public key {name} is not that of its bytes")
        return key


def parse_note(note: str) -> SignedCheckpoint:
    """Read a checkpoint as it was stored or shipped.

    Raises:
        InvalidCheckpoint: it is not a checkpoint, and says where it stops being one.
    """
    if len(note.encode(errors="replace")) > MAX_NOTE_BYTES:
        raise InvalidCheckpoint(f"it is longer than {MAX_NOTE_BYTES} bytes")
    if not note.replace("\n", "").isprintable():
        raise InvalidCheckpoint("it holds characters that no checkpoint has")
    text, gap, below = note.rpartition("\n\n")
    if not gap:
        raise InvalidCheckpoint("no empty line separates the text from its signatures")
    text += "\n"
    if not below.endswith("\n"):
        raise InvalidCheckpoint("its last line has no end: it was cut")
    signatures = tuple(map(_parse_signature, below[:-1].split("\n")))
    return SignedCheckpoint(_parse_text(text), text, signatures)


def _parse_text(text: str) -> Checkpoint:
    lines = text.split("\n")[:-1]
    if len(lines) < len(("origin", "size", "root")) or not all(lines):
        raise InvalidCheckpoint("its text is not made of origin, size and root")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdecimal() and str(int(size[:20])) == size):
        raise InvalidCheckpoint(f"its size is no number: {size[:40]!r}")
    if int(size) > MAX_SIZE:
        raise InvalidCheckpoint(f"its size is out of range: {size}")
    hashed = _bytes(root, "the root")
    if len(hashed) != HASH_BYTES:
        raise InvalidCheckpoint(f"its root has {len(hashed)} bytes instead of {HASH_BYTES}")
    return Checkpoint(origin, int(size), hashed)


def _parse_signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not _is_key_name(name):
        raise InvalidCheckpoint(f"this is no signature line: {line[:80]!r}")
    raw = _bytes(encoded, "a signature")
    if len(raw) <= KEY_ID_BYTES:
        raise InvalidCheckpoint("a signature is too short")
    return NoteSignature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _is_key_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(c.isspace() or c == "+" for c in name)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or _base64(raw) != text:
        raise InvalidCheckpoint(f"{what} is not base64: {text[:80]!r}")
    return raw
