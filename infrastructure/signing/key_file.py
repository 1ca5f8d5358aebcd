"""The files of the signing key: PEM (PKCS 8) for the private half, one line for the public one.

The public half lies beside the private one, as `<file>.pub`. It is what auditors get.
"""

import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from domain.checkpoint import VerifierKey
from domain.errors import InvalidCheckpoint, KetlogError
from infrastructure.signing.notes import SigningKey


class SigningKeyError(KetlogError):
    """The signing key cannot be read or made; the message says what to do."""


def load_or_make(path: Path, name: str, *, may_make: bool) -> SigningKey:
    """Return the key in a file, and see to it that its public half lies beside it.

    Args:
        name: the log's origin.
        may_make: make a key, readable by its owner alone, where there is no file.

    Raises:
        SigningKeyError: there is no usable key.
    """
    try:
        if may_make and not path.exists():
            _make(path)
        key = SigningKey(name, _read(path))
        _publish(public_file(path), key.verifier_key)
    except FileNotFoundError:
        raise SigningKeyError(
            f"The signing key {path} is missing, and checkpoints exist that it has signed. "
            "Put it back; or, to go on with a new one, make it with "
            f"`openssl genpkey -algorithm ed25519 -out {path}` and give both public keys to "
            "whoever verifies."
        ) from None
    except OSError as error:
        raise SigningKeyError(
            f"The signing key {path} cannot be used: {error.strerror}. "
            "Set SIGNING_KEY_FILE to a file in a folder that this process may write."
        ) from error
    except InvalidCheckpoint as error:
        raise SigningKeyError(f"LOG_ORIGIN cannot be used: {error}") from error
    return key


def public_file(path: Path) -> Path:
    """Return where the public half of the key in a file lies."""
    return path.with_name(path.name + ".pub")


def known_keys(path: Path) -> list[VerifierKey]:
    """Return the public halves of the key in a file and of those that were there before.

    Raises:
        SigningKeyError: the file beside it cannot be read.
    """
    public = public_file(path)
    try:
        return verifier_keys(public.read_text())
    except (OSError, UnicodeDecodeError, InvalidCheckpoint) as error:
        raise SigningKeyError(f"The public keys in {public} cannot be read: {error}") from error


def verifier_keys(text: str) -> list[VerifierKey]:
    """Read public keys, one a line; raises `InvalidCheckpoint`."""
    return [VerifierKey.decode(line) for line in text.splitlines() if line.strip()]


def _read(path: Path) -> Ed25519PrivateKey:
    if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
        raise SigningKeyError(f"Everybody may read the signing key: chmod 600 {path}")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"{path} holds no unencrypted private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path} holds a key of another kind than Ed25519")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        # Whoever is first wins; a second process then reads the key of the first.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _publish(path: Path, key: VerifierKey) -> None:
    """Add the public half to the file beside; earlier keys stay, their checkpoints do too."""
    line = key.encode()
    known = path.read_text().splitlines() if path.exists() else []
    if line not in known:
        path.write_text("".join(f"{each}\n" for each in [*known, line]))
