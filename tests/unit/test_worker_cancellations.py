"""Cancelled tasks on a worker: their runs stop, and nothing counts as lost or failed."""

from collections.abc import AsyncIterator

import pytest

from domain.identifiers import uuid7
from domain.task import Cancel, Task
from tests.support import tasks
from tests.support.worker_fakes import succeeded, until
from tests.support.worker_scene import Scene, small_circuits_run, start_scene

LIFE = ["TaskSubmitted", "ProcessingStarted", "TaskCancelled"]
NEVER = 600.0


@pytest.fixture
async def deaf() -> AsyncIterator[Scene]:
    """A worker with one slot that learns of nothing by its leases."""
    scene = await start_scene(lease_renewal_seconds=NEVER, lease_seconds=2 * NEVER)
    yield scene
    await scene.end()


async def cancel(scene: Scene, task: Task) -> None:
    await tasks.put(scene.store, tasks.following(await scene.load(task), Cancel("enough")))


async def test_a_run_is_stopped_when_the_worker_is_told(deaf: Scene) -> None:
    task = await deaf.running()
    waiting = await deaf.submit()
    await cancel(deaf, task)
    await deaf.notices.tell(task.task_id)
    assert deaf.simulators.killed == [deaf.simulators.jobs[0]]
    await until(lambda: len(deaf.simulators.running) == 1)
    assert deaf.worker.counters.cancelled == 1
    assert deaf.worker.counters.lost == deaf.worker.counters.failed == 0
    assert deaf.events(task) == LIFE
    deaf.simulators.finish(deaf.simulators.running[0], succeeded())
    await until(lambda: deaf.worker.counters.completed == 1)
    assert deaf.events(waiting)[-1] == "TaskCompleted"


async def test_a_task_that_waits_behind_another_never_runs(deaf: Scene) -> None:
    await small_circuits_run(deaf, 20)
    runs = await deaf.running()
    behind = await deaf.submit()
    await until(lambda: len(deaf.simulators.queued) == 1)
    job = deaf.simulators.queued[0]
    await cancel(deaf, behind)
    await deaf.notices.tell(behind.task_id)
    assert not job.started.done() or job.started.cancelled()
    assert [run.task.task_id for run in deaf.worker.runs.held] == [runs.task_id]
    assert deaf.events(behind) == LIFE


async def test_a_notice_about_another_task_changes_nothing(deaf: Scene) -> None:
    task = await deaf.running()
    await deaf.notices.tell(uuid7())
    assert deaf.simulators.killed == []
    assert [run.task.task_id for run in deaf.worker.runs.held] == [task.task_id]


async def test_a_result_on_its_way_is_refused_by_the_log(deaf: Scene) -> None:
    task = await deaf.running()
    (run,) = deaf.worker.runs.held
    await cancel(deaf, task)
    deaf.simulators.finish(deaf.simulators.jobs[0], succeeded())
    await until(lambda: run.ending)
    await deaf.notices.tell(task.task_id)
    await until(lambda: deaf.worker.counters.stale == 1)
    assert deaf.worker.counters.cancelled == 0
    assert deaf.events(task) == LIFE
    assert deaf.worker.runs.held == []


async def test_without_a_notice_the_lease_tells() -> None:
    scene = await start_scene(lease_renewal_seconds=0.02)
    task = await scene.running()
    await cancel(scene, task)
    await until(lambda: scene.worker.counters.cancelled == 1)
    assert scene.simulators.killed == scene.simulators.jobs
    assert scene.worker.counters.lost == 0
    assert scene.events(task) == LIFE
    await scene.end()


async def test_a_connection_looks_for_what_was_missed(deaf: Scene) -> None:
    task = await deaf.running()
    await cancel(deaf, task)
    await deaf.notices.reconnect()
    await until(lambda: deaf.worker.counters.cancelled == 1)
    assert deaf.simulators.killed == deaf.simulators.jobs


async def test_a_message_for_a_cancelled_task_is_dropped(scene: Scene) -> None:
    task = await tasks.submitted(scene.store)
    await cancel(scene, task)
    scene.queue.publish(task.task_id)
    await until(lambda: scene.worker.counters.dropped == 1)
    assert scene.simulators.jobs == []
    assert scene.events(task) == ["TaskSubmitted", "TaskCancelled"]
