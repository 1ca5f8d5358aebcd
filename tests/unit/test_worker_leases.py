"""A worker and its leases: renewed while it runs, and what was taken away does not count."""

from domain.events import RequeueReason
from domain.payloads import PayloadKind
from domain.status import Status
from domain.task import GiveUp
from tests.support import tasks
from tests.support.worker_fakes import (
    succeeded,
    until,
)
from tests.support.worker_scene import Scene, start_scene


async def test_a_stale_result_is_refused(scene: Scene) -> None:
    task = await scene.running()
    give_up = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
    await tasks.put(scene.store, tasks.following(task, give_up))
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.stale == 1)
    assert (await scene.load(task)).status is Status.PENDING
    assert PayloadKind.RESULT not in scene.store.payload_rows[task.task_id]


async def test_a_run_whose_lease_is_gone_is_stopped() -> None:
    scene = await start_scene(lease_renewal_seconds=0.02)
    task = await scene.running()
    give_up = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
    await tasks.put(scene.store, tasks.following(task, give_up))
    await until(lambda: scene.worker.counters.lost == 1)
    assert scene.simulators.killed == scene.simulators.jobs
    await until(lambda: scene.worker.runs.held == [])
    assert scene.events(task)[-1] == "TaskRequeued"
    await scene.end()


async def test_a_task_that_comes_back_to_the_worker_that_lost_it_runs_anew() -> None:
    scene = await start_scene(slots=2)
    task = await scene.running()
    give_up = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
    await tasks.put(scene.store, tasks.following(task, give_up))
    scene.queue.publish(task.task_id)
    await until(lambda: len(scene.simulators.jobs) == 2)
    await until(lambda: scene.simulators.killed == [scene.simulators.jobs[0]])
    scene.simulators.finish(scene.simulators.jobs[1], succeeded())
    await until(lambda: scene.worker.counters.completed == 1)
    assert (await scene.load(task)).attempt == 2
    await scene.end()


async def test_leases_are_renewed_while_a_task_runs() -> None:
    scene = await start_scene(lease_seconds=0.2, lease_renewal_seconds=0.02)
    await scene.running()
    claimed_until = scene.store._leases[next(iter(scene.store._leases))].expires_at
    await until(
        lambda: scene.store._leases[next(iter(scene.store._leases))].expires_at > claimed_until
    )
    await scene.end()


async def test_the_database_away_in_mid_run_costs_nothing() -> None:
    scene = await start_scene(lease_renewal_seconds=0.02)
    task = await scene.running()
    scene.log.away = True
    await until(lambda: scene.log.asked > 0)
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    asked = scene.log.asked
    await until(lambda: scene.log.asked > asked)
    assert scene.worker.counters.lost == 0
    scene.log.away = False
    await until(lambda: scene.worker.counters.completed == 1)
    assert scene.events(task) == ["TaskSubmitted", "ProcessingStarted", "TaskCompleted"]
    await scene.end()
