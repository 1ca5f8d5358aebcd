"""Schema migrations: yoyo over psycopg, the SQL files in `migrations/`.

    python -m infrastructure.postgres.migrate apply | rollback [--force] | list | new NAME | settle

Uses `ADMIN_DATABASE_URL`, the owner's, or else `DATABASE_URL`.
"""

import argparse
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from yoyo import get_backend, read_migrations

from infrastructure.postgres.statements import statement
from infrastructure.settings import Settings, read_settings

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations"
WAIT_SECONDS = 30.0
_LOCK_KEY = 0x6B65746C6F67  # "ketlog": one migration at a time in each database


class MigrationError(SystemExit):
    """A migration could not be done; the message says why and what to do."""


def apply_migrations(dsn: str) -> list[str]:
    """Bring a database up to the newest schema; returns the ids that were applied now.

    Safe to call from several processes at once: one does the work, the others find it done.

    Args:
        dsn: `postgresql://` URL of a role that owns the database.

    Raises:
        psycopg.Error: the database is away or refuses.
    """
    with _migrations(dsn) as (backend, migrations):
        missing = backend.to_apply(migrations)
        names = [migration.id for migration in missing]
        backend.apply_migrations(missing)
    return names


def rollback_last(dsn: str, *, force: bool = False) -> str | None:
    """Undo the newest migration; returns its id, or `None` when nothing was applied.

    Args:
        force: drop a log or projection even if it holds tasks.

    Raises:
        psycopg.errors.RaiseException: data would be lost and `force` is not set.
    """
    with _migrations(dsn, force=force) as (backend, migrations):
        applied = backend.to_rollback(migrations)
        if not applied:
            return None
        last = applied[:1]
        backend.rollback_migrations(last)
        return str(last[0].id)


def list_migrations(dsn: str) -> list[tuple[str, bool]]:
    """Return (id, applied) of every migration, oldest first."""
    with _migrations(dsn) as (backend, migrations):
        waiting = {migration.id for migration in backend.to_apply(migrations)}
        return [(migration.id, migration.id not in waiting) for migration in migrations]


def new_migration(name: str, directory: Path = DIRECTORY) -> list[Path]:
    """Make the two empty files of a new migration, which follows the newest one."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not slug:
        raise MigrationError("A migration needs a name: make migration name=add_priority")
    existing = sorted(
        path.stem for path in directory.glob("*.sql") if not path.stem.endswith(".rollback")
    )
    number = int(existing[-1][:4]) + 1 if existing else 1
    stem = f"{number:04}_{slug}"
    depends = f"-- depends: {existing[-1]}\n" if existing else ""
    files = {
        directory / f"{stem}.sql": f"{depends}\n-- What changes, and why.\n",
        directory / f"{stem}.rollback.sql": "-- How to undo it without losing data.\n",
    }
    for path, text in files.items():
        path.write_text(text)
    return list(files)


def settle_transactions(dsn: str) -> int:
    """Make a log readable that was restored into a cluster with fewer transactions behind it.

    Its events carry transaction ids that this cluster has not reached, so the whole-log reader
    would wait for them. Run it while no process writes; positions keep the order. Returns how many
    events were changed; no hash covers what changes.
    """
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER events_are_final")
        changed = connection.execute(statement("settle_transactions")).rowcount
        if changed and connection.execute("SELECT to_regclass('leaves')").fetchone() != (None,):
            connection.execute(statement("settle_unsealed"))
        if changed and connection.execute("SELECT to_regclass('task_totals')").fetchone() != (
            None,
        ):
            connection.execute(statement("recount_ended"))
        connection.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_final")
    return changed


@contextmanager
def _migrations(dsn: str, *, force: bool = False) -> Iterator[tuple[Any, Any]]:
    # Whoever holds the advisory lock is alone, so a lock row that yoyo finds is left from a crash.
    with psycopg.connect(dsn, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        with _forced(force):
            backend = get_backend("postgresql+psycopg://" + dsn.removeprefix("postgresql://"))
            try:
                backend.break_lock()
                yield backend, read_migrations(str(DIRECTORY))
            finally:
                backend.connection.close()


@contextmanager
def _forced(force: bool) -> Iterator[None]:
    """Tell the rollback scripts, through a session setting, that loss of data is accepted."""
    before = os.environ.get("PGOPTIONS")
    if force:
        os.environ["PGOPTIONS"] = "-c ketlog.force_rollback=on"
    try:
        yield
    finally:
        if before is not None:
            os.environ["PGOPTIONS"] = before
        elif force:
            del os.environ["PGOPTIONS"]


def _wait_for(dsn: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    said = False
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=3).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise MigrationError(
                    f"PostgreSQL cannot be reached: {error}\n"
                    "Start it (make up), or correct DATABASE_URL or ADMIN_DATABASE_URL."
                ) from None
            if not said:
                _say("waiting for PostgreSQL …")
                said = True
            time.sleep(0.5)
        else:
            return


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _dsn() -> str:
    admin = os.environ.get("ADMIN_DATABASE_URL")
    if admin:
        os.environ["DATABASE_URL"] = admin
    return read_settings(Settings).database_url


def _apply(dsn: str) -> None:
    names = apply_migrations(dsn)
    for name in names:
        _say(f"applied {name}")
    _say("The schema is up to date." if not names else f"{len(names)} migrations applied.")


def _rollback(dsn: str, force: bool) -> None:
    try:
        name = rollback_last(dsn, force=force)
    except psycopg.errors.RaiseException as error:
        raise MigrationError(
            f"Not rolled back: {error.diag.message_primary}. {error.diag.message_hint}\n"
            "To drop it all the same: make rollback FORCE=1"
        ) from None
    _say("Nothing to roll back." if name is None else f"rolled back {name}")


def _list(dsn: str) -> None:
    for name, applied in list_migrations(dsn):
        _say(f"{'applied' if applied else 'missing':8} {name}")


def main(arguments: list[str] | None = None) -> None:
    """Run one command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="migrate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("apply", help="bring the database up to the newest schema")
    rollback = commands.add_parser("rollback", help="undo the newest migration")
    rollback.add_argument("--force", action="store_true", help="even if events are lost")
    commands.add_parser("list", help="show which migrations are applied")
    new = commands.add_parser("new", help="make the files of a new migration")
    new.add_argument("name")
    commands.add_parser("settle", help="make a log restored from another cluster readable")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    if chosen.command == "new":
        for path in new_migration(chosen.name):
            _say(f"made {path.relative_to(DIRECTORY.parent)}")
        return
    dsn = _dsn()
    _wait_for(dsn, WAIT_SECONDS)
    if chosen.command == "apply":
        _apply(dsn)
    elif chosen.command == "rollback":
        _rollback(dsn, chosen.force)
    elif chosen.command == "settle":
        _say(f"{settle_transactions(dsn)} events settled.")
    else:
        _list(dsn)


if __name__ == "__main__":
    main()
