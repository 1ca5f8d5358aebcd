"""Worker hosts whose wall clocks are wrong: nothing is decided by them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.status import Status
from tests.faults.chaos.faketime import find_faketime
from tests.support.dispatcher import LONG, Dispatcher
from tests.support.processes import Process, System, system

OFFSETS = {"ahead": "+1h", "behind": "-1h"}
SHOTS_OF_TWO_SECONDS = 8_000
LIBRARY = find_faketime()
RIGHT_MONOTONIC = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
SHORT_LEASES = {"LEASE_SECONDS": "1", "LEASE_RENEWAL_SECONDS": "0.2"}

pytestmark = pytest.mark.skipif(
    LIBRARY is None,
    reason="libfaketime is not installed (Debian: apt-get install libfaketime)",
)


@pytest.fixture
def processes(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    """A place for worker processes."""
    with system(database_url, rabbitmq_url, tmp_path) as made:
        yield made


async def test_workers_with_wrong_clocks_keep_their_leases_and_lose_no_attempt(
    processes: System, dispatcher: Dispatcher
) -> None:
    workers = {name: wrong_worker(processes, name, by) for name, by in OFFSETS.items()}
    task_ids = [await dispatcher.submit(LONG, SHOTS_OF_TWO_SECONDS) for _ in range(4)]
    by_whom = set()
    for task_id in task_ids:
        view = await dispatcher.ended(task_id, within=60.0)
        assert (view.status, view.attempt) == (Status.COMPLETED, 1)
        execution = json.loads(view.execution or b"")
        by_whom.add(execution["worker_id"])
        assert execution["durations"]["run"] > float(SHORT_LEASES["LEASE_SECONDS"])
        assert view.submitted_at <= (view.started_at or view.submitted_at)
        assert abs(datetime.now(UTC) - view.submitted_at) < timedelta(minutes=2)
    assert by_whom == set(workers)
    for worker in workers.values():
        assert wrong_by(worker) > timedelta(minutes=50)


def wrong_worker(processes: System, name: str, by: str) -> Process:
    """Start a worker whose wall clock is wrong, and whose monotonic clock is right."""
    clock = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": by, **RIGHT_MONOTONIC}
    return processes.worker(name, WORKER_SLOTS="1", LOG_FORMAT="json", **SHORT_LEASES, **clock)


def wrong_by(worker: Process) -> timedelta:
    """Return how wrong the clock was by which a worker has logged."""
    first = next(line for line in worker.log().splitlines() if line.startswith("{"))
    return abs(datetime.now(UTC) - datetime.fromisoformat(json.loads(first)["timestamp"]))
