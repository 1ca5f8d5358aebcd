"""How long a small tenant waits beside a large one: `python -m bench.fairness`.

A private stack with one worker. First a small tenant is alone and submits a Bell pair ten times a
second; then a large one has 20,000 tasks waiting, alone; then both. While the backlog is worked
off, the large tenant also submits a task of high priority now and then. A wait is the time from
the recorded submission to the recorded claim, by the database's clock.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import psycopg

from bench.check import check_completed
from bench.load import SHOTS
from bench.queries import query
from bench.stack import Installation, Servers
from bench.submissions import (
    OPEN,
    WAITING,
    ask,
    completions,
    last_position,
    submission,
    submit,
    wait_for,
)
from domain.labels import NO_LABELS, Labels, Priority
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.notifications import OutboxNotifier

RESULTS = Path(__file__).parent / "results"
BACKLOG = 20_000
PER_SECOND = 10.0
URGENT_EVERY = 5
"""One task of high priority to so many of the small tenant."""
ALONE_SECONDS = 20.0
SMALL, LARGE = "small", "large"
HIGH = Labels(priority=Priority.HIGH)


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds from submission to claim.

    Attributes:
        tasks: how many were measured.
    """

    who: str
    tasks: int
    p50: float
    p95: float
    longest: float


class Submitter:
    """Puts single tasks into the log at a steady pace, as an API does.

    Attributes:
        accepted: how many tasks it has put there.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.accepted = 0

    async def run(self, goes_on: Callable[[], bool], *, urgent: bool) -> dict[str, list[UUID]]:
        """Submit for as long as that is true; returns ids by whose tasks they are.

        Args:
            urgent: also submit tasks of high priority for the large tenant.
        """
        database = Database(self._dsn, size=2, application_name="bench")
        log, notifier = PostgresEventLog(database), OutboxNotifier(self._dsn)
        made: dict[str, list[UUID]] = {SMALL: [], LARGE: []}
        begin = time.perf_counter()
        while await asyncio.to_thread(goes_on):
            tenants = [(SMALL, NO_LABELS)]
            if urgent and len(made[SMALL]) % URGENT_EVERY == 0:
                tenants.append((LARGE, HIGH))
            for tenant, labels in tenants:
                append = submission(self.accepted, tenant, labels)
                await log.append([append])
                made[tenant].append(append.task_id)
                self.accepted += 1
            notifier.wake()
            due = begin + len(made[SMALL]) / PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await notifier.close()
        await database.close()
        return made


def main() -> None:
    """Measure, print and write."""
    options = _options()
    with Servers() as servers:
        installation = servers.installation()
        slots = str(os.cpu_count() or 1)
        with installation.relay(), installation.worker(WORKER_SLOTS=slots):
            found = _measure(installation, options.backlog)
    RESULTS.mkdir(exist_ok=True)
    written = RESULTS / "fairness.json"
    written.write_text(json.dumps(found, indent=1))
    print(f"all of it: {written}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backlog", type=int, default=BACKLOG, help="tasks of the large tenant")
    return parser.parse_args()


def _measure(installation: Installation, backlog: int) -> dict[str, object]:
    dsn = installation.dsn
    submitter = Submitter(dsn)
    until = time.perf_counter() + ALONE_SECONDS
    alone = asyncio.run(submitter.run(lambda: time.perf_counter() < until, urgent=False))
    waits = [_waits(dsn, "the small tenant alone", alone[SMALL])]

    before = last_position(dsn)
    submit(dsn, range(backlog), LARGE)
    wait_for(dsn, OPEN, what="the worker")
    rates = {"the large tenant alone": _rate(dsn, before)}

    before = last_position(dsn)
    submit(dsn, range(backlog), LARGE)
    with psycopg.connect(dsn, autocommit=True) as connection:
        beside = asyncio.run(
            submitter.run(lambda: ask(connection, WAITING) > backlog // 20, urgent=True)
        )
    wait_for(dsn, OPEN, what="the worker")
    rates["both"] = _rate(dsn, before)
    waits.append(_waits(dsn, f"beside {backlog:,} tasks", beside[SMALL]))
    waits.append(_waits(dsn, "high priority in the backlog's tenant", beside[LARGE]))
    check_completed(dsn, 2 * backlog + submitter.accepted, SHOTS)
    for what, rate in rates.items():
        print(f"{what + ':':40} {rate:6.0f} completed/s")
    return {"waits": [asdict(each) for each in waits], "completed_per_second": rates}


def _waits(dsn: str, who: str, task_ids: Sequence[UUID]) -> Waits:
    wait_for(dsn, OPEN_OF_SMALL, what="the small tenant's tasks")
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(query("waits").encode(), (list(task_ids),)).fetchall()
    assert len(rows) == len(task_ids), f"{len(rows)} of {len(task_ids)} tasks began at once"
    seconds = sorted(float(row[0]) for row in rows)
    found = Waits(who, len(seconds), *(_share(seconds, part) for part in (0.5, 0.95, 1.0)))
    print(
        f"{who + ':':40} p50 {found.p50:6.1f} ms  p95 {found.p95:6.1f} ms  "
        f"longest {found.longest:6.1f} ms  ({found.tasks} tasks)",
        flush=True,
    )
    return found


OPEN_OF_SMALL = (
    "SELECT (SELECT count(*) FROM outbox WHERE tenant = 'small')"
    " + (SELECT count(*) FROM leases WHERE tenant = 'small')"
)


def _share(ordered: Sequence[float], part: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 1)


def _rate(dsn: str, after: int) -> float:
    """Return completions a second of what was submitted behind a position of the log."""
    times = completions(dsn, after)
    return round((len(times) - 1) / (times[-1] - times[0]), 1)


if __name__ == "__main__":
    main()
