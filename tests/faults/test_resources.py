"""PostgreSQL runs out of something under a system at work: refused while it lasts, lost never."""

import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psycopg
import pytest
from psycopg import sql

from infrastructure.local.account import ServerAccount
from infrastructure.postgres.migrate import apply_migrations
from tests import servers
from tests.support import invariants
from tests.support.api import problem
from tests.support.client import ACCEPTED, Client
from tests.support.dispatcher import LONG
from tests.support.processes import System, system
from tests.support.small_disk import only_native, small_disk
from tests.support.tasks import BELL
from tests.support.waiting import eventually, eventually_sync

DISK_MEGABYTES = 64
WAL_MEGABYTES = 96
SMALL_WAL = {"min_wal_size": "32MB", "max_wal_size": "48MB"}
SHOTS_OF_SECONDS = 12_000


@dataclass
class Shortage:
    """Something that a server runs out of.

    Attributes:
        server: the one.
        database_url: of a database that it concerns.
        reason: what clients are told.
        state: what health calls the database.
    """

    server: servers.DatabaseServer
    database_url: str
    reason: str
    state: str
    begin: Callable[[], None]
    end: Callable[[], None]


@contextmanager
def no_disk(server: servers.DatabaseServer, template: str) -> Iterator[Shortage]:
    """A database on a small disk, which is filled."""
    only_native(server)
    name = f"test_{secrets.token_hex(6)}"
    with small_disk(DISK_MEGABYTES) as disk:
        space = ServerAccount.current().make_folder(disk.folder / "space")
        with psycopg.connect(server.admin_dsn, autocommit=True) as owner:
            owner.execute(f"CREATE TABLESPACE {name} LOCATION '{space}'")
            owner.execute(f"CREATE DATABASE {name} TEMPLATE {template} TABLESPACE {name}")
            try:
                yield Shortage(
                    server,
                    server.dsn(name),
                    "PostgreSQL's disk is full",
                    "failing",
                    disk.fill,
                    disk.free,
                )
            finally:
                disk.free()
                owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
                owner.execute(f"DROP TABLESPACE {name}")


@contextmanager
def no_disk_for_the_log() -> Iterator[Shortage]:
    """A server whose write-ahead log is on a small disk: it goes down when that is full."""
    with small_disk(WAL_MEGABYTES) as disk, servers.private_postgres(SMALL_WAL) as server:
        server.ensure_database("ketlog")
        apply_migrations(server.dsn("ketlog"))
        server.stop()
        log, moved = server.data / "pg_wal", disk.folder / "pg_wal"
        subprocess.run(["cp", "--archive", str(log), str(moved)], check=True)
        shutil.rmtree(log)
        log.symlink_to(moved)
        server.start()

        def begin() -> None:
            disk.fill()
            with (
                suppress(psycopg.Error),
                psycopg.connect(server.admin_dsn, autocommit=True) as owner,
            ):
                while True:
                    owner.execute("SELECT pg_logical_emit_message(false, 'ballast', '')")
                    owner.execute("SELECT pg_switch_wal()")
            eventually_sync(lambda: not server.running)

        def end() -> None:
            disk.free()
            server.start()

        yield Shortage(
            server, server.dsn("ketlog"), "PostgreSQL is away", "disconnected", begin, end
        )


@contextmanager
def no_connections(server: servers.DatabaseServer, database_url: str) -> Iterator[Shortage]:
    """A role that may not connect any more, and whose connections are ended."""
    role, password = f"role_{secrets.token_hex(6)}", secrets.token_hex(8)
    with psycopg.connect(server.admin_dsn, autocommit=True) as owner:

        def limit(connections: int) -> None:
            owner.execute(f"ALTER ROLE {role} CONNECTION LIMIT {connections}")
            if connections == 0:
                owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                    (role,),
                )

        owner.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE ketlog_app").format(
                sql.Identifier(role), sql.Literal(password)
            )
        )
        place = database_url.rpartition("@")[2]
        try:
            yield Shortage(
                server,
                f"postgresql://{role}:{password}@{place}",
                "PostgreSQL takes no more connections",
                "disconnected",
                lambda: limit(0),
                lambda: limit(-1),
            )
        finally:
            limit(0)
            owner.execute(f"DROP ROLE {role}")


@pytest.fixture(params=["disk", "log", "connections"])
def shortage(
    request: pytest.FixtureRequest,
    postgres_server: servers.DatabaseServer,
    migrated_template: str,
    database_url: str,
) -> Iterator[Shortage]:
    made: dict[str, Callable[[], AbstractContextManager[Shortage]]] = {
        "disk": lambda: no_disk(postgres_server, migrated_template),
        "log": no_disk_for_the_log,
        "connections": lambda: no_connections(postgres_server, database_url),
    }
    with made[request.param]() as shortage:
        yield shortage


@pytest.fixture
def ketlog(shortage: Shortage, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    with system(shortage.database_url, rabbitmq_url, tmp_path) as made:
        made.settings["WORKER_SLOTS"] = "1"
        made.api()
        made.relay()
        made.worker()
        made.wait_ready()
        yield made


def large() -> str:
    """A circuit for which a full disk has no room left by chance."""
    return f"// {secrets.token_hex(100_000)}\n{BELL}"


async def test_a_shortage_refuses_submissions_and_loses_nothing(
    ketlog: System, shortage: Shortage
) -> None:
    async with Client(ketlog.api_url) as client:

        async def state() -> str:
            return str((await client.get("/health")).json()["database_status"])

        async def failing() -> bool:
            return await state() == shortage.state

        async def running() -> bool:
            return bool((await client.task(long_id))["status"] == "processing")

        accepted = [await client.submit({"circuit": BELL}) for _ in range(5)]
        long_id = await client.submit({"circuit": LONG, "shots": SHOTS_OF_SECONDS})
        await eventually(running)
        shortage.begin()
        body, key = {"circuit": large()}, {"Idempotency-Key": "refused"}
        refused = await client.post(body, **key)
        problem(refused, 503)
        assert int(refused.headers["retry-after"]) >= 1
        await eventually(failing, within=3)
        told = problem(await client.post(body, **key), 503)
        # A deadline that falls into an attempt leaves open what became of it.
        assert shortage.reason in told["detail"] or told.get("outcome") == "unknown"
        assert problem(await client.get("/readyz"), 503)["reasons"] == [shortage.reason]
        assert (await client.get("/health")).json()["status"] == "unhealthy"
        shortage.end()

        async def settled() -> bool:
            return (await client.post(body, **key)).status_code == ACCEPTED

        await eventually(settled)
        accepted += [long_id, (await client.post(body, **key)).json()["task_id"]]
        ended = await client.all_ended(accepted)
        assert {task["status"] for task in ended} == {"completed"}
        assert {task["attempt"] for task in ended} == {1}

        async def well() -> bool:
            return await state() == "connected"

        await eventually(well, within=5)
    api = ketlog.processes["api"].log()
    assert api.count("event log is away, appends wait") == 1
    assert api.count(f"{shortage.reason} ") == 1
    name = shortage.database_url.rpartition("/")[2]
    owner = await asyncpg.connect(shortage.server.dsn(name))
    await invariants.check(owner, accepted)
    await owner.close()
