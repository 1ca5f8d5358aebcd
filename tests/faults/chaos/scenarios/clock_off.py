"""A worker host whose wall clock is an hour off: nothing is decided by it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from tests.faults.chaos.faketime import find_faketime
from tests.faults.chaos.stage import DidNotBite, NotAvailable, Stage
from tests.support.topology import Member

TOUCHES = ("worker",)
OFFSETS = ("+1h", "-1h")


async def act(stage: Stage) -> str:
    """Run a worker with such a clock until it has completed a task, then with a right one."""
    library = find_faketime()
    if library is None:
        raise NotAvailable("libfaketime is not installed (Debian: apt-get install libfaketime)")
    worker, offset = stage.any("worker"), stage.chance.choice(OFFSETS)
    right = worker.process.environment
    wrong = {"LD_PRELOAD": library, "FAKETIME": offset}
    monotonic = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    await stage.terminate(worker)
    logged = worker.process.log_path.stat().st_size
    worker.process.environment = right | wrong | monotonic
    try:
        await asyncio.to_thread(worker.process.start)
        await stage.completes(worker)
    finally:
        worker.process.environment = right
        await stage.terminate(worker)
        await stage.start(worker)
    if not _was_wrong(worker, logged):
        raise DidNotBite(f"{worker.name} had the right time")
    return f"{worker.name} by {offset}"


def _was_wrong(worker: Member, logged: int) -> bool:
    """Tell whether a line of the worker's log, past so many bytes, has a time far from now."""
    for line in worker.process.log_path.read_bytes()[logged:].splitlines():
        if line.startswith(b"{"):
            at = datetime.fromisoformat(json.loads(line)["timestamp"])
            if abs(datetime.now(UTC) - at) > timedelta(minutes=30):
                return True
    return False
