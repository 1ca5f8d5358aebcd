"""Workers that do nothing for a moment, shorter than a lease, so that messages wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.faults.chaos.stage import Stage
from tests.support.topology import Member

STILL_SECONDS = 2.2


@contextlib.asynccontextmanager
async def still_workers(stage: Stage) -> AsyncIterator[None]:
    """Stop all workers, and let them go on at the end or after `STILL_SECONDS`."""
    workers = [worker for worker in stage.topology.of_kind("worker") if worker.running]

    def go_on() -> None:
        for worker in workers:
            _resume(worker)

    for worker in workers:
        worker.process.pause()
    timer = asyncio.get_running_loop().call_later(STILL_SECONDS, go_on)
    try:
        yield
    finally:
        timer.cancel()
        go_on()


def _resume(worker: Member) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.process.resume()
