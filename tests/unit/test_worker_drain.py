"""How a worker stops, and what its heartbeat says until then."""

import asyncio
from pathlib import Path

from domain.events import RequeueReason, TaskRequeued
from domain.status import Status
from tests.support.worker_fakes import (
    succeeded,
    until,
)
from tests.support.worker_scene import small_circuits_run, start_scene


async def test_draining_finishes_what_runs_and_gives_back_the_rest() -> None:
    scene = await start_scene()
    await small_circuits_run(scene, 60)
    submitted = [await scene.submit() for _ in range(60)]
    await until(lambda: len(scene.simulators.queued) > 0)
    stopping = asyncio.create_task(scene.stop())
    await until(lambda: scene.simulators.queued == [])
    await until(lambda: not scene.queue.unacknowledged)
    scene.simulators.finish(scene.simulators.running[0], succeeded())
    await stopping
    ends = [(await scene.load(task)).status for task in submitted]
    assert ends.count(Status.COMPLETED) == 1
    assert ends.count(Status.PENDING) == 59
    assert scene.queue.closed


async def test_draining_hands_back_what_does_not_end_within_the_grace() -> None:
    scene = await start_scene()
    task = await scene.running()
    await scene.stop(grace=0.4)
    events = (await scene.store.histories([task.task_id]))[task.task_id].events
    assert isinstance(events[-1].event, TaskRequeued)
    assert events[-1].event.reason is RequeueReason.HANDED_BACK
    assert (await scene.load(task)).attempts_spent == 0


async def test_draining_ends_in_time_while_the_database_is_away() -> None:
    scene = await start_scene()
    await scene.running()
    scene.log.away = True
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await scene.stop(grace=0.8)
    assert loop.time() - begun < 2.0
    assert scene.queue.closed


async def test_draining_ends_a_claim_that_waits_for_the_database() -> None:
    scene = await start_scene()
    scene.log.away = True
    task = await scene.submit()
    await until(lambda: scene.log.asked > 0)
    await scene.stop(grace=4.0)
    assert scene.events(task) == ["TaskSubmitted"]
    assert not scene.queue.unacknowledged


async def test_the_heartbeat_beats_while_both_connections_stand(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    scene = await start_scene(heartbeat_file=str(heartbeat))
    await until(heartbeat.exists)
    scene.queue.connected = False
    assert not await scene.worker.is_well()
    scene.queue.connected = True
    scene.log.away = True
    assert (await scene.worker.is_well(), scene.worker.database_answers) == (False, False)
    scene.log.away = False
    scene.simulators.out_of_service = 1
    assert not await scene.worker.is_well()
    scene.simulators.out_of_service = 0
    assert (await scene.worker.is_well(), scene.worker.database_answers) == (True, True)
    await scene.end()
    assert not heartbeat.exists()
