"""API keys: how they look, what is stored of them, what they allow.

A key is `ketlog_<id>_<secret><check>`, 69 characters:

    ketlog_   so that people and scanners of repositories know what it is
    id        12 characters, public: it names the key in lists, logs and events
    secret    256 random bits in base 62, 43 characters
    check     CRC-32 of everything before it in base 62, 6 characters: a key that was mistyped or
              cut off is found out without a look-up

Only the SHA-256 of the whole key is stored. Passwords need a slow hash with a salt because they can
be guessed; 256 random bits cannot, so one round is enough, and every request can afford it.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from domain.errors import KetlogError

PREFIX: Final = "ketlog_"
EVERY_TENANT: Final = "*"
"""The tenant of the operator's keys: they look at all tenants and submit for none."""

ID_PLACE: Final = slice(7, 19)
"""Where the id is in a key."""

_SECRET_BYTES = 32
_ID_CHARACTERS = 12
_SECRET_CHARACTERS = 43
_CHECK_CHARACTERS = 6
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(rb"ketlog_([a-z2-7]{12})_[0-9A-Za-z]{43}([0-9A-Za-z]{6})")
_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class InvalidKey(KetlogError):
    """A text is no API key, or a part of one; says which it is."""


class Scope(StrEnum):
    """What a caller may do.

    Members:
        SUBMIT: submit, cancel and retry tasks.
        READ: look at tasks, their results and their history.
        AUDIT: read the log of all tasks of the tenant, and proofs.
        ADMIN: cancel tasks and erase what they hold; for the operator's keys, the metrics too.
    """

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """What one tenant may use; `None` where the installation's setting holds.

    Attributes:
        per_second: requests a second in the long run, of one API process; 0 for any number.
        burst: requests at once.
        backlog: tasks that may wait to be run; 0 for any number.
    """

    per_second: float | None = None
    burst: int | None = None
    backlog: int | None = None


AS_SET: Final = TenantLimits()
"""What the settings of the installation say."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is stored of a key.

    Attributes:
        digest: 32 bytes, see `digest_of`.
        tenant: whose tasks it is for; empty for the tenant without a name, or `EVERY_TENANT`.
        name: what it is used for, in the words of whoever made it.
        expires_at: from then on it is refused; `None` for never.
        revoked_at: since then it is refused.
        limits: of its tenant.
    """

    key_id: str
    digest: bytes
    tenant: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    limits: TenantLimits = AS_SET


class FoundKey(NamedTuple):
    """A key with its state by the database's clock.

    Attributes:
        seconds_left: until it expires, 0 or less once it has; `None` for never.
    """

    key: ApiKey
    seconds_left: float | None


class Keys(Protocol):
    """Looks keys up."""

    async def find(self, key_id: str) -> FoundKey | None:
        """Return the key of this id, also an old one; raises `StoreUnavailable`."""
        ...


class NewKey(NamedTuple):
    """A key that was just made: `text` is shown once, the rest is stored."""

    key_id: str
    text: str
    digest: bytes


def make_key() -> NewKey:
    """Make a key out of fresh random bits."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARACTERS))
    number = int.from_bytes(secrets.token_bytes(_SECRET_BYTES), "big")
    body = f"{PREFIX}{key_id}_{_base62(number, _SECRET_CHARACTERS)}"
    text = body + _check_of(body.encode("ascii"))
    return NewKey(key_id, text, digest_of(text.encode("ascii")))


def key_id_of(text: bytes) -> str:
    """Return the id in a key.

    Raises:
        InvalidKey: the text is no key, or not as it was made.
    """
    match = _KEY.fullmatch(text)
    if match is None:
        raise InvalidKey("is not a key of this service")
    if _check_of(text[:-_CHECK_CHARACTERS]).encode("ascii") != match[2]:
        raise InvalidKey("is mistyped or incomplete")
    return match[1].decode("ascii")


def digest_of(text: bytes) -> bytes:
    """Return what is stored of a key: 32 bytes."""
    return hashlib.sha256(text).digest()


def is_key(text: bytes, digest: bytes) -> bool:
    """Tell whether a text is the key of a stored digest, in a time that says nothing about it."""
    return hmac.compare_digest(digest_of(text), digest)


def check_tenant(tenant: str) -> str:
    """Return a tenant's name; raises `InvalidKey` if it cannot be one."""
    if tenant not in {"", EVERY_TENANT} and _TENANT.fullmatch(tenant) is None:
        raise InvalidKey(
            f"{tenant!r} cannot be a tenant's name: use 1 to 63 lower-case letters, digits, dots, "
            "hyphens and underscores, a letter or a digit first"
        )
    return tenant


def check_scopes(tenant: str, scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Return the scopes of a key; raises `InvalidKey` where its tenant cannot have them."""
    if not scopes:
        raise InvalidKey(f"a key needs a scope: {', '.join(Scope)}")
    if tenant == EVERY_TENANT and Scope.SUBMIT in scopes:
        raise InvalidKey(
            "a key for all tenants cannot submit: a task has one tenant. Name it, or leave the "
            "scope submit out"
        )
    return scopes


def _check_of(body: bytes) -> str:
    return _base62(zlib.crc32(body), _CHECK_CHARACTERS)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
