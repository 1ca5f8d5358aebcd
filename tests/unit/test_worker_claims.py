"""From messages to claims: what is claimed, when it is acknowledged, and what is dropped."""

from dataclasses import replace

import pytest

from domain.events import ProcessingStarted
from domain.identifiers import uuid7
from domain.status import Status
from infrastructure.quantum.pool import SimulatorDied
from service.worker.counters import Dropped
from tests.support import tasks
from tests.support.worker_fakes import (
    succeeded,
    until,
)
from tests.support.worker_scene import Scene, start_scene


async def test_a_message_is_acknowledged_only_after_its_claim_is_committed(scene: Scene) -> None:
    scene.log.away = True
    await scene.submit()
    await until(lambda: scene.log.asked > 0)
    assert len(scene.queue.unacknowledged) == 1
    scene.log.away = False
    await until(lambda: not scene.queue.unacknowledged)
    assert scene.worker.counters.claimed == 1


async def test_the_demand_ends_before_a_message_is_acknowledged_into_a_busy_slot(
    scene: Scene,
) -> None:
    await scene.running()
    await until(lambda: ("ack", 1) in scene.queue.journal)
    assert scene.queue.journal[-2:] == [("demand", 0), ("ack", 1)]
    await scene.submit()
    assert len(scene.queue.ready) == 1


async def test_a_free_slot_asks_for_the_next_message(scene: Scene) -> None:
    await scene.running()
    second = await scene.submit()
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: len(scene.simulators.running) == 1)
    assert (await scene.load(second)).status is Status.PROCESSING


@pytest.mark.parametrize("copies", [2, 5])
async def test_copies_of_a_message_are_acknowledged_and_dropped(copies: int) -> None:
    scene = await start_scene(slots=4)
    task = await tasks.submitted(scene.store)
    scene.queue.publish(*[task.task_id] * copies)
    await until(lambda: scene.worker.counters.dropped == copies - 1)
    assert scene.worker.counters.dropped_because[Dropped.ALREADY_CLAIMED] == copies - 1
    await until(lambda: not scene.queue.unacknowledged)
    assert scene.events(task) == ["TaskSubmitted", "ProcessingStarted"]
    await scene.end()


async def test_a_copy_of_a_task_that_runs_is_dropped() -> None:
    scene = await start_scene(slots=2)
    task = await scene.running()
    scene.queue.publish(task.task_id)
    await until(lambda: scene.worker.counters.dropped_because[Dropped.ALREADY_CLAIMED] == 1)
    assert len(scene.simulators.jobs) == 1
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.completed == 1)
    scene.queue.publish(task.task_id)
    await until(lambda: scene.worker.counters.dropped_because[Dropped.ALREADY_ENDED] == 1)
    await scene.end()


async def test_a_message_of_an_unknown_task_is_dropped(scene: Scene) -> None:
    scene.queue.publish(uuid7())
    await until(lambda: scene.worker.counters.dropped_because[Dropped.UNKNOWN_TASK] == 1)
    await until(lambda: not scene.queue.unacknowledged)


async def test_an_unreadable_message_goes_to_the_dead_letters(scene: Scene) -> None:
    scene.queue.publish_rubbish()
    await until(lambda: len(scene.queue.dead) == 1)
    await scene.running()
    assert scene.worker.counters.unreadable == 1


async def test_a_task_that_another_worker_claims_first_is_left_to_it(scene: Scene) -> None:
    task = await tasks.submitted(scene.store)
    await tasks.put(scene.store, tasks.claim(task, "w2"))
    stale_history = (await scene.store.histories([task.task_id]))[task.task_id]
    before_claim = {task.task_id: replace(stale_history, events=stale_history.events[:1])}

    async def behind_the_times(_: object) -> object:
        return before_claim

    scene.log.histories = behind_the_times  # type: ignore[method-assign,assignment]
    scene.queue.publish(task.task_id)
    await until(lambda: scene.worker.counters.dropped_because[Dropped.CLAIM_CONFLICT] == 1)
    assert scene.simulators.jobs == []
    assert (await scene.load(task)).attempt == 1


async def test_no_message_is_taken_or_returned_while_the_database_is_away() -> None:
    scene = await start_scene(slots=4)
    scene.log.away = True
    held = await scene.submit()
    await until(lambda: ("demand", 0) in scene.queue.journal)
    kept = await scene.submit()
    asked = scene.log.asked
    await until(lambda: scene.log.asked >= asked + 2)
    assert len(scene.queue.ready) == 1
    assert scene.worker.counters.given_back == 0
    scene.log.away = False
    await until(lambda: scene.worker.counters.claimed == 2)
    assert (await scene.load(held)).status is (await scene.load(kept)).status is Status.PROCESSING
    await scene.end()


async def test_what_the_broker_took_back_meanwhile_is_not_claimed(scene: Scene) -> None:
    scene.log.away = True
    task = await scene.submit()
    await until(lambda: ("demand", 0) in scene.queue.journal)
    scene.queue.break_connection()
    scene.queue.ready.clear()
    scene.log.away = False
    await until(lambda: scene.queue.journal[-1] == ("demand", 1))
    assert scene.events(task) == ["TaskSubmitted"]


async def test_a_broken_connection_costs_a_running_task_nothing(scene: Scene) -> None:
    task = await scene.running()
    scene.queue.break_connection()
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.completed == 1)
    assert (await scene.load(task)).attempt == 1


async def test_nothing_is_claimed_while_the_simulators_are_being_replaced(scene: Scene) -> None:
    await scene.running()
    await scene.submit()
    scene.simulators.out_of_service = 1
    scene.simulators.finish(scene.simulators.jobs[0], SimulatorDied("killed by SIGKILL"))
    await until(lambda: scene.worker.counters.requeued == 1)
    assert scene.queue.demand == 0
    scene.simulators.out_of_service = 0
    scene.worker.wake()
    await until(lambda: len(scene.simulators.running) == 1)


async def test_a_claim_is_for_the_next_attempt_with_a_lease(scene: Scene) -> None:
    task = await scene.running()
    event = (await scene.store.histories([task.task_id]))[task.task_id].events[-1].event
    assert event == ProcessingStarted(1, "w1")
    lease = scene.store._leases[task.task_id]
    assert (lease.attempt, lease.worker_id) == (1, "w1")


async def test_a_task_that_this_version_cannot_read_is_left_alone_and_its_neighbours_run() -> None:
    scene = await start_scene(slots=3)
    strange, plain = [await tasks.submitted(scene.store) for _ in range(2)]
    stored = scene.store.streams[strange.task_id][0]
    scene.store.streams[strange.task_id] = [replace(stored, type="TaskTeleported")]
    scene.queue.publish(strange.task_id, plain.task_id)
    await until(lambda: len(scene.simulators.running) == 1)
    await until(lambda: not scene.queue.unacknowledged)
    assert (await scene.load(plain)).status is Status.PROCESSING
    assert scene.worker.counters.dropped == 1
    await scene.end()
