"""A worker killed in mid-run: its lease runs out and another worker runs its task again."""

from tests.faults.chaos.stage import Stage

TOUCHES = ("worker",)


async def act(stage: Stage) -> str:
    """SIGKILL a busy worker and start it again."""
    worker, _ = await stage.busy_worker()
    await stage.kill_worker(worker)
    await stage.start(worker)
    return worker.name
