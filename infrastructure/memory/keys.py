"""API keys as plain Python."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from domain.keys import AS_SET, ApiKey, FoundKey, Scope, TenantLimits, key_id_of, make_key


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class MemoryKeys:
    """`domain.keys.Keys` in memory.

    Attributes:
        clock: returns the time by which keys expire.
        rows: what is stored, by id.
        limits: of single tenants.
    """

    clock: Callable[[], datetime] = _now
    rows: dict[str, ApiKey] = field(default_factory=dict)
    limits: dict[str, TenantLimits] = field(default_factory=dict)

    async def find(self, key_id: str) -> FoundKey | None:
        """See `domain.keys.Keys.find`."""
        key = self.rows.get(key_id)
        if key is None:
            return None
        left = None if key.expires_at is None else (key.expires_at - self.clock()).total_seconds()
        return FoundKey(replace(key, limits=self.limits.get(key.tenant, AS_SET)), left)

    def add(self, tenant: str, *scopes: Scope, seconds: float | None = None) -> str:
        """Make a key and store it; returns the key itself.

        Args:
            seconds: how long it holds; `None` for ever.
        """
        key, now = make_key(), self.clock()
        expires_at = None if seconds is None else now + timedelta(seconds=seconds)
        self.rows[key.key_id] = ApiKey(
            key.key_id, key.digest, tenant, "", frozenset(scopes), now, expires_at
        )
        return key.text

    def revoke(self, text: str) -> None:
        """End a key."""
        key_id = key_id_of(text.encode())
        self.rows[key_id] = replace(self.rows[key_id], revoked_at=self.clock())
