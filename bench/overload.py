"""What becomes of ten times the load that one API can serve: `python -m bench.overload`.

A private API on a PostgreSQL of its own is measured under a closed loop. Then it is offered ten
times as many submissions, at a steady pace over many connections: small ones, then ones of 256 KiB,
then small ones again while slow clients send a byte a second. Its memory is watched all the while.
Afterwards every task that was accepted must be in the log once, and wait; and the normal load is
measured again. The figures are written to `bench/results/overload.json`.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench.flood import NO_ANSWER, UNSENT, Flood, run_flood
from bench.load import Order, run_load
from bench.machine import machine
from bench.memory import Memory, resident
from bench.stack import Installation, Process, Servers
from infrastructure.local.ports import LOOPBACK

RESULTS = Path(__file__).parent / "results"
NORMAL_CONNECTIONS = 32
LARGE_BYTES = 256 * 1024
SLOW_CLIENTS = 500
SETTLE_SECONDS = 3.0
DESCRIPTORS = 16_384
WIDTH = 132
UNKNOWN = "503 outcome-unknown"
MIB = 2**20
_SLOW_HEAD = b"GET /livez HTTP/1.1\r\nhost: slow\r\nx-slow: "
_SLOW_BODY = (
    b"POST /tasks HTTP/1.1\r\nhost: slow\r\ncontent-type: application/json\r\n"
    b"content-length: 1000000\r\n\r\n"
)
_STORED = """
    SELECT t.task_id::text,
        (SELECT count(*) FROM events e WHERE e.task_id = t.task_id AND type = 'TaskSubmitted'),
        (SELECT count(*) FROM outbox o WHERE o.task_id = t.task_id)
    FROM tasks t
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """A load and what the API made of it.

    Attributes:
        offered: submissions a second that were due; `None` for a closed loop.
        outcomes: how many were answered how.
        p50_ms, p99_ms: of what was accepted, from when it was sent.
        start, peak, end: resident memory of the API, in bytes; `end` is some seconds after it.
    """

    name: str
    offered: float | None
    seconds: float
    outcomes: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    start: int
    peak: int
    end: int

    @property
    def accepted(self) -> float:
        """Accepted a second."""
        return self.outcomes.get("202", 0) / self.seconds


class Overload:
    """One API under one load after another."""

    def __init__(self, api: Process, folder: Path, options: argparse.Namespace) -> None:
        self._api = api
        self._folder = folder
        self._options = options
        self._sent = 0
        self.phases: list[Phase] = []
        self.closed_loop = 0

    def normal(self, name: str) -> Phase:
        """Submit in a closed loop, as fast as it goes."""
        with self._watched() as memory:
            seen = run_load(
                Order(
                    self._api.port,
                    self._options.seconds,
                    first=self._sent,
                    connections=NORMAL_CONNECTIONS,
                )
            )
        self._sent += seen.answers
        self.closed_loop += seen.answers
        outcomes = {"202": seen.answers}
        return self._note(
            Phase(name, None, seen.seconds, outcomes, seen.p50_ms, seen.p99_ms, **memory)
        )

    def flood(self, name: str, per_second: float, *, padding: int = 0) -> Phase:
        """Offer so much, whatever becomes of it."""
        order = Flood(
            self._api.port,
            self._options.flood_seconds,
            per_second,
            self._options.connections,
            str(self._folder / f"accepted-{len(self.phases)}"),
            padding,
            self._sent,
        )
        with self._watched() as memory:
            came = run_flood(order)
        self._sent += came.due
        offered = came.due / order.seconds
        return self._note(
            Phase(name, offered, came.seconds, came.outcomes, came.p50_ms, came.p99_ms, **memory)
        )

    def check(self, dsn: str) -> tuple[int, int]:
        """Every accepted task is in the log once and waits; returns those, and all that do.

        More may be there than clients know of: those whose answers were lost, or said so.
        """
        files = self._folder.glob("accepted-*")
        told = [task_id for file in files for task_id in file.read_text().split()]
        assert len(set(told)) == len(told), "one id was given to two submissions"
        with psycopg.connect(dsn) as connection:
            stored = {row[0]: row[1:] for row in connection.execute(_STORED.encode())}
        assert all(counts == (1, 1) for counts in stored.values()), "stored twice, or not waiting"
        assert set(told) <= stored.keys(), "an accepted task is not stored"
        unanswered = sum(
            phase.outcomes.get(kind, 0) for phase in self.phases for kind in (NO_ANSWER, UNKNOWN)
        )
        accepted = len(told) + self.closed_loop
        assert accepted <= len(stored) <= accepted + unanswered, (accepted, len(stored))
        return accepted, len(stored)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[dict[str, int]]:
        seen = {"start": resident(self._api.pid)}
        with Memory({"api": self._api.pid}) as memory:
            yield seen
        seen["peak"] = memory.peak["api"]
        time.sleep(SETTLE_SECONDS)
        seen["end"] = resident(self._api.pid)

    def _note(self, phase: Phase) -> Phase:
        self.phases.append(phase)
        print(f"{phase.name}: {phase.accepted:.0f}/s accepted", flush=True)
        return phase


@contextlib.contextmanager
def slow_clients(port: int) -> Iterator[None]:
    """Keep clients busy that send a byte a second, half of them a head and half a body."""
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_dribble(port, over)))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def _dribble(port: int, over: threading.Event) -> None:
    async def one(begin: bytes) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.write(begin)
                while not over.is_set() and not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1000), 1)
                writer.close()

    await asyncio.gather(*(one((_SLOW_HEAD, _SLOW_BODY)[n % 2]) for n in range(SLOW_CLIENTS)))


def main() -> None:
    """Measure, print and write."""
    options = _options()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))
    with Servers() as servers:
        installation = servers.installation(broker=False)
        with installation.api() as api:
            overload = Overload(api, servers.folder, options)
            accepted, stored = _measure(overload, installation, api, options)
    RESULTS.mkdir(exist_ok=True)
    written = RESULTS / "overload.json"
    document = {"machine": machine(), "phases": [asdict(phase) for phase in overload.phases]}
    written.write_text(json.dumps(document, indent=1))
    print("\noffered, answered and unsent: submissions a second; MiB: resident memory of the API\n")
    Console(width=WIDTH).print(_table(overload.phases))
    print(
        f"\n{accepted} tasks were accepted, each is in the log once and waits; "
        f"{stored - accepted} more are there whose answers were lost.\nwritten to {written}"
    )


def _measure(
    overload: Overload, installation: Installation, api: Process, options: argparse.Namespace
) -> tuple[int, int]:
    overload.normal("warm-up")
    before = overload.normal("closed loop")
    flood = options.times * before.accepted
    overload.flood(f"{options.times:g} times", flood)
    overload.flood(f"{options.times:g} times, again", flood)
    overload.flood(f"{LARGE_BYTES // 1024} KiB each", flood / 10, padding=LARGE_BYTES)
    with slow_clients(api.port):
        overload.normal(f"beside {SLOW_CLIENTS} slow clients")
    overload.normal("closed loop, after it")
    return overload.check(installation.dsn)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=float, default=10, help="the load, in what it can serve")
    parser.add_argument("--seconds", type=float, default=8, help="of each closed loop")
    parser.add_argument("--flood-seconds", type=float, default=20, help="of each flood")
    parser.add_argument("--connections", type=int, default=3000, help="of the client, at most")
    return parser.parse_args()


def _table(phases: list[Phase]) -> Table:
    kinds = sorted({kind for phase in phases for kind in phase.outcomes} - {"202", UNSENT})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("load")
    titles = ("offered", "202", *(kind.replace("-", " ") for kind in kinds), "unsent")
    for title in (*titles, "p50 ms", "p99 ms", "MiB before", "peak", "after"):
        table.add_column(title, justify="right")
    for phase in phases:
        rates = (phase.outcomes.get(kind, 0) / phase.seconds for kind in ("202", *kinds, UNSENT))
        table.add_row(
            phase.name,
            "closed" if phase.offered is None else f"{phase.offered:.0f}",
            *(f"{rate:.0f}" for rate in rates),
            f"{phase.p50_ms:.0f}",
            f"{phase.p99_ms:.0f}",
            *(f"{size / MIB:.0f}" for size in (phase.start, phase.peak, phase.end)),
        )
    return table


if __name__ == "__main__":
    main()
