"""Migrations go up and down, say what they do, and do not lose a log."""

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.log import LogCursor
from infrastructure.postgres import migrate
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.outbox import PostgresOutbox
from tests import servers
from tests.support import tasks
from tests.support.varied_log import varied_log

NAMES = [
    "0001_events",
    "0002_tasks",
    "0003_delivery",
    "0004_roles",
    "0005_seals",
    "0006_spans",
    "0007_totals",
    "0008_pauses",
    "0009_withdrawn",
    "0010_tenants_and_labels",
    "0011_keys",
    "0012_batches",
    "0013_erasure",
    "0014_turns",
]


@pytest.fixture
def empty_url(postgres_server: servers.DatabaseServer) -> Iterator[str]:
    """A database without a schema."""
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_one")
    yield postgres_server.dsn("empty_one")
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE empty_one WITH (FORCE)")


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
    return {name for (name,) in rows if "yoyo" not in name}


def roll_back_to(url: str, name: str) -> None:
    """Undo every migration after this one."""
    for _ in NAMES[NAMES.index(name) + 1 :]:
        migrate.rollback_last(url)


def test_the_schema_goes_up_down_and_up_again(empty_url: str) -> None:
    assert migrate.apply_migrations(empty_url) == NAMES
    made = tables(empty_url)
    assert made == {
        "events",
        "payloads",
        "tasks",
        "status_history",
        "outbox",
        "withdrawn",
        "leases",
        "leaves",
        "checkpoints",
        "spans",
        "task_totals",
        "pauses",
        "api_keys",
        "tenant_limits",
    }
    assert migrate.apply_migrations(empty_url) == []
    undone = [migrate.rollback_last(empty_url) for _ in range(len(NAMES) + 1)]
    assert undone == [*reversed(NAMES), None]
    assert tables(empty_url) == set()
    assert migrate.apply_migrations(empty_url) == NAMES
    assert tables(empty_url) == made


def test_the_list_says_what_is_applied(empty_url: str) -> None:
    assert migrate.list_migrations(empty_url) == [(name, False) for name in NAMES]
    migrate.apply_migrations(empty_url)
    migrate.rollback_last(empty_url)
    assert migrate.list_migrations(empty_url) == [(name, name != NAMES[-1]) for name in NAMES]


def test_processes_that_migrate_at_once_do_not_disturb_each_other(empty_url: str) -> None:
    applied: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: applied.append(migrate.apply_migrations(empty_url)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(len, applied)) == [0, 0, len(NAMES)]


def test_a_lock_left_by_a_crash_is_no_obstacle(empty_url: str) -> None:
    migrate.apply_migrations(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert migrate.apply_migrations(empty_url) == []


async def test_a_log_with_events_is_rolled_back_only_by_force(empty_url: str) -> None:
    migrate.apply_migrations(empty_url)
    database = Database(empty_url, size=2, application_name="test")
    await tasks.submitted(PostgresEventLog(database))
    await database.close()
    roll_back_to(empty_url, "0002_tasks")
    with pytest.raises(psycopg.errors.RaiseException, match="would be lost"):
        migrate.rollback_last(empty_url)
    assert "events" in tables(empty_url)
    assert migrate.rollback_last(empty_url, force=True) == "0002_tasks"
    with pytest.raises(psycopg.errors.RaiseException, match="event log has events"):
        migrate.rollback_last(empty_url)
    assert migrate.rollback_last(empty_url, force=True) == "0001_events"


async def test_tasks_wait_and_run_on_when_delivery_is_rolled_back_and_made_again(
    empty_url: str,
) -> None:
    migrate.apply_migrations(empty_url)
    database = Database(empty_url, size=2, application_name="test")
    log = PostgresEventLog(database)
    pending = await tasks.submitted(log)
    processing = await tasks.processing(log)
    await database.close()
    roll_back_to(empty_url, "0002_tasks")
    migrate.apply_migrations(empty_url)
    database = Database(empty_url, size=2, application_name="test")
    (row,) = await PostgresOutbox(database).choose(10)
    assert (row.task_id, row.message_id) == (pending.task_id, pending.last_event_id)
    (lease,) = await PostgresLeases(database).expired(10)
    assert (lease.task_id, lease.attempt) == (processing.task_id, 1)
    assert lease.worker_id == "a-worker"
    await database.close()


async def test_tenants_and_labels_come_back_from_the_log_after_a_rollback(empty_url: str) -> None:
    migrate.apply_migrations(empty_url)
    database = Database(empty_url, size=2, application_name="test")
    await varied_log(PostgresEventLog(database))
    await database.close()
    columns = "task_id, tenant, labels::text FROM tasks", "task_id, tenant FROM leases"
    queries = [*columns, "task_id, tenant, turn_at, not_before FROM outbox"]

    def rows() -> list[list[Any]]:
        with psycopg.connect(empty_url) as connection:
            return [
                connection.execute(f"SELECT {query} ORDER BY 1".encode()).fetchall()
                for query in queries
            ]

    before = rows()
    roll_back_to(empty_url, "0009_withdrawn")
    migrate.apply_migrations(empty_url)
    assert rows() == before
    assert {tenant for _, tenant in before[1]} == {"", "south"}


async def test_a_log_restored_from_another_cluster_is_made_readable(database_url: str) -> None:
    database = Database(database_url, size=2, application_name="test")
    log = PostgresEventLog(database)
    first = await tasks.submitted(log)
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER events_are_final")
        connection.execute("UPDATE events SET xid = '9000000000'")
        connection.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_final")
    assert await log.comes_from_another_cluster()
    assert await log.read(LogCursor(), 10) == []
    assert migrate.settle_transactions(database_url) == 1
    assert not await log.comes_from_another_cluster()
    second = await tasks.submitted(log)
    seen = [event.task_id for event in await log.read(LogCursor(), 10)]
    assert seen == [first.task_id, second.task_id]
    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("UPDATE events SET xid = '2'")
    await database.close()


def test_a_new_migration_follows_the_newest(tmp_path: Path) -> None:
    (tmp_path / "0007_old.sql").touch()
    up, down = migrate.new_migration("Add Priority!", tmp_path)
    assert up.name == "0008_add_priority.sql"
    assert down.name == "0008_add_priority.rollback.sql"
    assert up.read_text().startswith("-- depends: 0007_old\n")


def test_a_migration_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="needs a name"):
        migrate.new_migration("!", tmp_path)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_the_command_line_accepts_every_scheme(
    empty_url: str, scheme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ADMIN_DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL", empty_url.replace("postgresql", scheme, 1))
    migrate.main(["apply"])
    migrate.main(["rollback"])
    migrate.main(["list"])
    migrate.main(["settle"])
    said = capsys.readouterr().out
    assert f"{len(NAMES)} migrations applied." in said
    assert f"rolled back {NAMES[-1]}" in said
    assert f"missing  {NAMES[-1]}" in said
    assert "0 events settled." in said


def test_an_unreachable_database_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(migrate, "WAIT_SECONDS", 0.0)
    monkeypatch.setenv("ADMIN_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(SystemExit, match="Start it"):
        migrate.main(["apply"])


def test_the_command_says_what_is_wrong_with_its_environment() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "infrastructure.postgres.migrate", "list"],
        env={"DATABASE_URL": "mysql://somewhere/else"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 1
    assert "DATABASE_URL: Value error, must begin with postgresql://" in run.stderr


async def test_the_command_line_says_how_to_roll_back_a_log_with_events(
    empty_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADMIN_DATABASE_URL", empty_url)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    migrate.apply_migrations(empty_url)
    database = Database(empty_url, size=2, application_name="test")
    await tasks.submitted(PostgresEventLog(database))
    await database.close()
    roll_back_to(empty_url, "0002_tasks")
    with pytest.raises(SystemExit, match="make rollback FORCE=1"):
        migrate.main(["rollback"])
    migrate.main(["rollback", "--force"])
    migrate.main(["rollback", "--force"])
    migrate.main(["rollback"])
    assert capsys.readouterr().out.splitlines() == [
        "rolled back 0002_tasks",
        "rolled back 0001_events",
        "Nothing to roll back.",
    ]


@pytest.mark.parametrize("before", [None, "-c jit=off"])
def test_a_rollback_by_force_leaves_the_environment_as_it_was(
    empty_url: str, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGOPTIONS", raising=False)
    if before is not None:
        monkeypatch.setenv("PGOPTIONS", before)
    assert migrate.rollback_last(empty_url, force=True) is None
    assert os.environ.get("PGOPTIONS") == before


def test_applying_twice_says_that_there_is_nothing_to_do(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADMIN_DATABASE_URL", database_url)
    migrate.main(["apply"])
    assert capsys.readouterr().out == "The schema is up to date.\n"


def test_the_command_line_waits_for_a_database_that_is_still_starting(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect, failures = psycopg.connect, [psycopg.OperationalError("starting up")] * 2

    def connect_late(*arguments: Any, **options: Any) -> psycopg.Connection[Any]:
        if failures:
            raise failures.pop()
        return connect(*arguments, **options)

    monkeypatch.setattr(psycopg, "connect", connect_late)
    monkeypatch.setenv("ADMIN_DATABASE_URL", database_url)
    migrate.main(["list"])
    said = capsys.readouterr().out.splitlines()
    assert said == ["waiting for PostgreSQL …", *(f"applied  {name}" for name in NAMES)]


def test_the_command_line_names_the_files_of_a_new_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "migrations"
    directory.mkdir()
    monkeypatch.setattr(migrate, "DIRECTORY", directory)
    monkeypatch.setattr(
        migrate, "new_migration", functools.partial(migrate.new_migration, directory=directory)
    )
    migrate.main(["new", "first of all"])
    assert capsys.readouterr().out.splitlines() == [
        "made migrations/0001_first_of_all.sql",
        "made migrations/0001_first_of_all.rollback.sql",
    ]
    assert "depends" not in (directory / "0001_first_of_all.sql").read_text()
