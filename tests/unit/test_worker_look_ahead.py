"""Small circuits are taken many at a time, and none waits behind a long one."""

from domain.status import Status
from tests.support.worker_fakes import (
    succeeded,
    until,
)
from tests.support.worker_scene import Scene, small_circuits_run, start_scene


async def test_small_circuits_are_claimed_many_at_a_time(scene: Scene) -> None:
    await small_circuits_run(scene, 40)
    scene.log.batches.clear()
    await small_circuits_run(scene, 200)
    assert max(scene.log.batches) >= 8
    assert scene.worker.counters.handed_back == 0


async def test_claimed_tasks_behind_a_long_run_are_handed_back_untried(scene: Scene) -> None:
    await small_circuits_run(scene, 60)
    submitted = [await scene.submit() for _ in range(12)]
    await until(lambda: scene.worker.counters.handed_back > 0)
    await until(lambda: len(scene.worker.runs.held) == 1)
    statuses = [(await scene.load(task)).status for task in submitted]
    assert statuses.count(Status.PROCESSING) == 1
    assert statuses.count(Status.PENDING) == 11
    handed_back = next(task for task in submitted if "TaskRequeued" in scene.events(task))
    assert (await scene.load(handed_back)).attempts_spent == 0
    assert not scene.queue.unacknowledged


async def test_messages_behind_a_long_run_go_back_to_the_queue(scene: Scene) -> None:
    await small_circuits_run(scene, 60)
    for _ in range(60):
        await scene.submit()
    await until(lambda: not scene.queue.unacknowledged)
    assert scene.worker.counters.given_back > 0
    assert scene.queue.demand == 0


async def test_a_long_run_in_one_slot_leaves_the_other_at_work() -> None:
    scene = await start_scene(slots=2)
    await scene.running()
    await until(lambda: scene.worker.intake.load.stuck == 1)
    for _ in range(50):
        task = await scene.running()
        scene.simulators.finish(scene.simulators.running[-1], succeeded())
        await until(lambda: len(scene.simulators.running) == 1)
    assert (await scene.load(task)).attempt == 1
    await until(lambda: scene.worker.counters.completed == 50)
    await scene.end()
