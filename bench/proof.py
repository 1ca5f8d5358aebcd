"""What proof costs: `python -m bench.proof`.

On a private PostgreSQL with `fsync` on:

- appends with and without a sealer beside them, in turns; the ratio of the medians is what counts;
- the rate at which a backlog is sealed while nothing else happens;
- `verify` of a whole log, sealed and shipped: events a second and memory.
"""

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp

from bench.generate import generate
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import free_port
from infrastructure.local.postgres import PostgresServer
from infrastructure.postgres.connect import Database
from infrastructure.postgres.migrate import apply_migrations
from infrastructure.postgres.seals import PostgresSeals
from relay.sealer import Sealer

SEAL_SECONDS = 2.0


def main() -> None:
    """Measure and print."""
    options = _options()
    if options.sealer:
        asyncio.run(_seal(options.sealer, Path(options.folder)))
        return
    with ExitStack() as stack:
        guardian = stack.enter_context(Guardian())
        postgres = _server(stack, guardian)
        folder = Path(mkdtemp(prefix="ketlog-bench-"))
        guardian.remove_at_end(folder)
        _appends(postgres, folder, options)
        dsn = _database(postgres, "whole")
        events = asyncio.run(generate(dsn, options.tasks))
        _backlog(dsn, folder, events)
        _verify(dsn, folder, events)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000, help="in the log that is verified")
    parser.add_argument("--rounds", type=int, default=5, help="turns of appends, each way")
    parser.add_argument("--turn", type=int, default=5_000, help="tasks in a turn of appends")
    parser.add_argument("--sealer", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def _appends(postgres: PostgresServer, folder: Path, options: argparse.Namespace) -> None:
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(options.rounds):
        for sealed in (False, True):
            dsn = _database(postgres, f"turn_{number}_{'sealed' if sealed else 'plain'}")
            with _sealer(dsn, folder / dsn.rpartition("/")[2]) if sealed else ExitStack():
                began = time.perf_counter()
                events = asyncio.run(generate(dsn, options.turn, seed=number))
                rates[sealed].append(events / (time.perf_counter() - began))
        print(f"round {number + 1}  plain {rates[False][-1]:.0f}/s  sealed {rates[True][-1]:.0f}/s")
    plain, sealed_rate = (statistics.median(rates[key]) for key in (False, True))
    print(
        f"appends: {sealed_rate:.0f} events/s with a sealer, {plain:.0f}/s without, "
        f"ratio {sealed_rate / plain:.3f}"
    )


def _backlog(dsn: str, folder: Path, events: int) -> None:
    began, used = time.perf_counter(), time.process_time()
    sealed = asyncio.run(_round(dsn, folder))
    seconds, used = time.perf_counter() - began, time.process_time() - used
    assert sealed == events, f"{sealed} of {events} events were sealed"
    print(
        f"backlog: {sealed / seconds:.0f} events/s sealed, half of the time at rest; "
        f"{used / sealed * 1e6:.1f} µs of processor time each"
    )


def _verify(dsn: str, folder: Path, events: int) -> None:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "service.audit", "verify"],
        env=os.environ
        | {
            "DATABASE_URL": dsn,
            "SIGNING_KEY_FILE": str(folder / "signing.key"),
            "CHECKPOINT_SINK": str(folder / "shipped"),
        },
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=600,
    )
    seconds = time.perf_counter() - began
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(done.stdout.strip())
    print(
        f"verify: {events / seconds:.0f} events/s with its start ({events} in {seconds:.1f} s), "
        f"largest process {largest:.0f} MiB, {os.cpu_count()} cores"
    )


async def _round(dsn: str, folder: Path) -> int:
    database = Database(dsn, size=2, application_name="bench")
    try:
        return await _make_sealer(database, folder).round()
    finally:
        await database.close()


async def _seal(dsn: str, folder: Path) -> None:
    """Seal until killed, as the relay does."""
    database = Database(dsn, size=2, application_name="bench")
    await _make_sealer(database, folder).run()


def _make_sealer(database: Database, folder: Path) -> Sealer:
    return Sealer(
        PostgresSeals(database),
        folder / "signing.key",
        "ketlog",
        CheckpointFolder(folder / "shipped"),
        SEAL_SECONDS,
    )


@contextmanager
def _sealer(dsn: str, folder: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.proof", "--sealer", dsn, "--folder", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def _server(stack: ExitStack, guardian: Guardian) -> PostgresServer:
    root = ServerAccount.current().make_reachable_root("ketlog-bench-pg-")
    guardian.remove_at_end(root)
    postgres = PostgresServer(root, free_port(), guardian=guardian)
    postgres.start()
    stack.callback(postgres.kill)
    return postgres


def _database(postgres: PostgresServer, name: str) -> str:
    postgres.ensure_database(name)
    apply_migrations(postgres.dsn(name))
    return postgres.dsn(name)


if __name__ == "__main__":
    main()
