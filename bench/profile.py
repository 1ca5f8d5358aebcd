"""`make profile ONLY=submit`: where the time of a row goes, in a folder of its own.

    NAME.folded      stacks of each Python process, as flame graph programs read them
    NAME.txt         its functions by their own time, and with all they call
    statements.txt   PostgreSQL's statements by the time they took (pg_stat_statements)
    plans.txt        EXPLAIN (ANALYZE, BUFFERS) of each, as it ran in the row (auto_explain)

The row's figures are of no use: it is watched while it runs.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.machine import CHECKOUT
from bench.plans import plans
from bench.queries import query
from bench.rows import ROWS
from bench.run import Run
from bench.stack import Servers
from bench.stacks import summary

SAMPLES_PER_SECOND = 200
EXPLAINED_SHARE = 0.02
WRITE_SECONDS = 60.0
_WATCHED = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.sample_rate": str(EXPLAINED_SHARE),
}
_COLUMNS = ("ms in all", "calls", "ms each", "rows each", "blocks hit", "blocks read", "WAL bytes")


def main() -> None:
    """Run one row and write what was seen."""
    options = _options()
    folder: Path = options.folder / f"{options.only}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True)
    with Servers(_WATCHED, watch=lambda name, pid: _sampled(folder, name, pid)) as servers:
        with psycopg.connect(servers.postgres.admin_dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            ROWS[options.only](Run(servers, options.quick))
            (folder / "statements.txt").write_text(_statements(connection), encoding="utf-8")
        log = servers.postgres.log.read_text(errors="replace")
    (folder / "plans.txt").write_text(plans(log), encoding="utf-8")
    for stacks in folder.glob("*.folded"):
        stacks.with_suffix(".txt").write_text(summary(stacks.read_text()), encoding="utf-8")
    print(f"written to {folder}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--only", choices=list(ROWS), required=True, help="the row")
    parser.add_argument("--quick", action="store_true", help="shorter turns, smaller logs")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / "bench/results/profiles")
    return parser.parse_args()


@contextmanager
def _sampled(folder: Path, name: str, pid: int) -> Iterator[None]:
    """Sample the stacks of a process as long as the block lasts."""
    file = _unused(folder, name)
    spy = subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid)),
            *("--format", "raw", "--output", str(file), "--rate", str(SAMPLES_PER_SECOND)),
            *("--nonblocking", "--duration", "unlimited"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            spy.send_signal(signal.SIGINT)
        try:
            spy.wait(WRITE_SECONDS)
        except subprocess.TimeoutExpired:
            spy.kill()


def _unused(folder: Path, name: str) -> Path:
    """Return a file for a process; those of later rounds get numbers."""
    number = 1
    while (file := folder / f"{name}-{number}.folded").exists():
        number += 1
    return file


def _statements(connection: psycopg.Connection) -> str:
    rows = connection.execute(query("statements").encode()).fetchall()
    lines = ["".join(f"{column:>12}" for column in _COLUMNS)]
    for *numbers, text in rows:
        shown = "".join(f"{number:>12,.2f}" for number in numbers)
        first_line = " ".join(text.split())[:100]
        lines.append(f"{shown}  {first_line}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
