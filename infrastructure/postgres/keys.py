"""API keys in PostgreSQL: the processes look them up, only the owner makes and revokes them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg

from domain.keys import AS_SET, ApiKey, FoundKey, NewKey, Scope, TenantLimits
from infrastructure.postgres.connect import Database, connect_as_owner, translated_errors
from infrastructure.postgres.statements import statement


class PostgresKeys:
    """`domain.keys.Keys` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key_id: str) -> FoundKey | None:
        """See `domain.keys.Keys.find`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement("find_key"), key_id)
        return None if row is None else _found(row)


class KeyRing:
    """All keys and quotas, for whoever owns the database. Make one with `key_ring`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def list(self) -> list[FoundKey]:
        """Return every key there ever was, by tenant and age."""
        return [_found(row) for row in await self._connection.fetch(statement("list_keys"))]

    async def add(
        self,
        key: NewKey,
        tenant: str,
        name: str,
        scopes: frozenset[Scope],
        seconds: float | None,
    ) -> datetime | None:
        """Store a new key; returns when it expires, by the database's clock.

        Args:
            seconds: how long it holds; `None` for ever.
        """
        expires_at: datetime | None = await self._connection.fetchval(
            statement("add_key"), key.key_id, key.digest, tenant, name, sorted(scopes), seconds
        )
        return expires_at

    async def revoke(self, key_id: str) -> Mapping[str, Any] | None:
        """End a key.

        Returns:
            Its `tenant`, `name` and `revoked_at`; `None` where there is no such key.
        """
        row = await self._connection.fetchrow(statement("revoke_key"), key_id)
        return None if row is None else dict(row)

    async def limits(self, tenant: str) -> TenantLimits:
        """Return what a tenant may use."""
        row = await self._connection.fetchrow(statement("tenant_limits"), tenant)
        return AS_SET if row is None else _limits(row)

    async def limit(self, tenant: str, limits: TenantLimits) -> None:
        """Set what a tenant may use."""
        await self._connection.execute(
            statement("set_tenant_limits"),
            tenant,
            limits.per_second,
            limits.burst,
            limits.backlog,
        )


@asynccontextmanager
async def key_ring(owner_dsn: str, application_name: str) -> AsyncIterator[KeyRing]:
    """Open the key ring of a database; raises `StoreUnavailable`.

    Args:
        owner_dsn: URL of the role that owns the tables.
    """
    connection = await connect_as_owner(owner_dsn, application_name)
    try:
        async with translated_errors():
            yield KeyRing(connection)
    finally:
        connection.terminate()


def _found(row: asyncpg.Record) -> FoundKey:
    return FoundKey(
        ApiKey(
            key_id=row["key_id"],
            digest=row["digest"],
            tenant=row["tenant"],
            name=row["name"],
            scopes=frozenset(map(Scope, row["scopes"])),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            revoked_at=row["revoked_at"],
            limits=_limits(row),
        ),
        row["seconds_left"],
    )


def _limits(row: asyncpg.Record) -> TenantLimits:
    return TenantLimits(row["requests_per_second"], row["burst"], row["backlog"])
