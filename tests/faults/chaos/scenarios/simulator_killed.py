"""A simulator killed in mid-run: the task runs again, and the worker stays."""

from tests.faults.chaos.stage import DidNotBite, Stage, simulators

TOUCHES = ("worker",)


async def act(stage: Stage) -> str:
    """SIGKILL all simulators of a busy worker."""
    worker, task_id = await stage.busy_worker()
    killed = simulators(worker)
    for simulator in killed:
        simulator.kill()
    if not killed:
        raise DidNotBite(f"{worker.name} has no simulator")

    async def again() -> bool:
        return (await stage.truth.attempt(task_id))[1] > 1

    await stage.until(again, "the task runs again")
    return worker.name
