"""How a worker starts: its connections do not wait for its simulators, tasks do."""

import asyncio

from tests.support.worker_fakes import succeeded, until
from tests.support.worker_scene import make_scene


async def test_no_message_is_taken_before_the_simulators_are_loaded() -> None:
    scene = make_scene()
    scene.simulators.automatic = succeeded()
    scene.simulators.loaded.clear()
    starting = asyncio.create_task(scene.worker.start())
    task = await scene.submit()
    await scene.worker.intake.flush()
    assert not scene.queue.unacknowledged
    assert scene.queue.demand == 0
    scene.simulators.loaded.set()
    await starting
    await until(lambda: scene.events(task)[-1] == "TaskCompleted")
    await scene.end()


async def test_a_worker_that_is_still_loading_stops_at_once() -> None:
    scene = make_scene()
    scene.simulators.loaded.clear()
    starting = asyncio.create_task(scene.worker.start())
    await scene.worker.intake.flush()
    starting.cancel()
    await scene.stop()
    assert scene.queue.closed
