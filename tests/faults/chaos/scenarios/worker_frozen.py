"""A worker frozen past its lease: another one runs its task, and its late result is refused."""

import asyncio

from tests.faults.chaos.stage import DidNotBite, Stage

TOUCHES = ("worker",)


async def act(stage: Stage) -> str:
    """SIGSTOP a busy worker until its task is in its next attempt, then SIGCONT."""
    worker, task_id = await stage.busy_worker(1.0)
    _, attempt = await stage.truth.attempt(task_id)
    await asyncio.to_thread(worker.process.pause)

    async def taken_away() -> bool:
        status, present = await stage.truth.attempt(task_id)
        if present == attempt and status == "completed":
            raise DidNotBite("the task had ended before")
        return present > attempt

    try:
        await stage.until(taken_away, "the task of a frozen worker is given to another")
    finally:
        await asyncio.to_thread(worker.process.resume)
    return worker.name
