"""Databases between which a log moves."""

import io
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import psycopg
import pytest
from psycopg import sql

from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.seals import PostgresSeals
from infrastructure.signing import known_keys
from relay.sealer import Sealer
from service.audit.audit import Audit
from service.audit.export import Export
from service.audit.findings import Finding
from service.audit.import_log import Import
from service.audit.replay import Replay
from service.audit.report import Report
from tests import servers
from tests.support import tasks
from tests.support.varied_log import varied_log

PROJECTION = "SELECT * FROM tasks ORDER BY task_id"


OUTBOX = """
    SELECT task_id, message_id, correlation_id, traceparent, waiting_since, tenant, turn_at,
        not_before
    FROM outbox ORDER BY task_id
"""


LEASES = "SELECT task_id, attempt, worker_id, tenant FROM leases ORDER BY task_id"


STREAMS = """
    SELECT event_id, task_id, version, type, schema_version, data::text, metadata::text,
        recorded_at, hash
    FROM events ORDER BY xid, position
"""


PAYLOADS = "SELECT * FROM payloads ORDER BY task_id, kind"


LEAVES = "SELECT * FROM leaves ORDER BY leaf_number"


CHECKPOINTS = "SELECT * FROM checkpoints ORDER BY size"


@dataclass
class Place:
    """A database with the schema."""

    url: str
    owner: asyncpg.Connection
    database: Database

    @property
    def log(self) -> PostgresEventLog:
        return PostgresEventLog(self.database)

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.owner.fetch(query)]

    async def seal(self, key: Path) -> None:
        await Sealer(PostgresSeals(self.database), key, "ketlog", None, 1.0).round()

    async def verify(self, key: Path) -> list[Finding]:
        found: list[Finding] = []
        await Audit(self.url, known_keys(key), None, 1, found.append).run()
        return found

    async def differences(self) -> int:
        report = Report()
        await Replay(self.url, 1, report).run()
        return sum(report.found.values())


async def place(url: str) -> AsyncIterator[Place]:
    owner = await asyncpg.connect(url)
    database = Database(url, size=4, application_name="test")
    yield Place(url, owner, database)
    await owner.close()
    await database.close()


@pytest.fixture
async def here(database_url: str) -> AsyncIterator[Place]:
    async for made in place(database_url):
        yield made


@pytest.fixture
def second_url(postgres_server: servers.DatabaseServer, migrated_template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(migrated_template)
            )
        )
        yield postgres_server.dsn(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def there(second_url: str) -> AsyncIterator[Place]:
    async for made in place(second_url):
        yield made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "signing.key"


async def exported(source: Place, *, payloads: bool = True, checked: bool = True) -> bytes:
    file = io.BytesIO()
    await Export(source.url, file.write, payloads, checked).run()
    return file.getvalue()


async def imported(target: Place, lines: bytes) -> Import:
    made = Import(target.url, io.BytesIO(lines))
    await made.run()
    return made


async def partly_sealed(place: Place, key: Path) -> dict[str, UUID]:
    """Every sort of task twice, with two checkpoints between them."""
    await varied_log(place.log)
    await place.seal(key)
    await tasks.submitted(place.log)
    await place.seal(key)
    return await varied_log(place.log)
