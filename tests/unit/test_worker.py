"""A worker among stand-ins: every path of a task through it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pytest

from domain.errors import AppendRefused
from domain.events import ProcessingStarted, RequeueReason, TaskCompleted, TaskFailed, TaskRequeued
from domain.execution import RunFailed, RunOptions, RunSucceeded
from domain.identifiers import uuid7
from domain.log import Append
from domain.payloads import Payload, PayloadKind
from domain.status import Status
from domain.task import GiveUp, Submit, Task, decide
from infrastructure.memory.store import MemoryStore
from infrastructure.quantum.pool import PoolClosed, SimulatorDied
from infrastructure.settings import WorkerSettings
from service.worker.drain import Budget
from service.worker.worker import Adapters, Worker
from tests.support import tasks
from tests.support.worker_fakes import (
    FakeQueue,
    FakeSimulators,
    FlakyLog,
    event_types,
    succeeded,
    until,
)

GRACE_SECONDS = 2.0


@dataclass
class Scene:
    """A running worker and everything around it."""

    store: MemoryStore
    log: FlakyLog
    queue: FakeQueue
    simulators: FakeSimulators
    worker: Worker
    relay_woken: asyncio.Event

    async def submit(self, circuit: str = tasks.QUICKSTART) -> Task:
        """Put a task into the log and its message into the queue."""
        task = await tasks.submitted(self.store, circuit)
        self.queue.publish(task.task_id)
        return task

    async def running(self, circuit: str = tasks.QUICKSTART) -> Task:
        """Submit a task and wait until it runs."""
        before = len(self.simulators.running)
        task = await self.submit(circuit)
        await until(lambda: len(self.simulators.running) > before)
        return await self.load(task)

    async def load(self, task: Task) -> Task:
        """Return a task as the log has it now."""
        return await tasks.load(self.store, task.task_id)

    def events(self, task: Task) -> list[str]:
        """Return the types of a task's events."""
        return event_types(self.store, task.task_id)

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Drain the worker."""
        await self.worker.stop(Budget.of(grace, asyncio.get_running_loop().time()))

    async def end(self) -> None:
        """Stop without waiting for what runs."""
        self.log.away = False
        await self.simulators.close()
        await self.stop()


async def start_scene(slots: int = 1, **settings: float | str) -> Scene:
    store = MemoryStore()
    log = FlakyLog(store)
    queue, simulators = FakeQueue(), FakeSimulators(slots)
    wakes = asyncio.Event()

    async def ping() -> None:
        await log.histories([])

    worker = Worker(
        WorkerSettings.model_validate({"worker_id": "w1", **settings}),
        Adapters(log, log, ping, wakes.set, queue, simulators),
    )
    simulators.on_capacity = worker.wake
    await worker.start()
    return Scene(store, log, queue, simulators, worker, wakes)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A worker with one slot."""
    scene = await start_scene()
    yield scene
    await scene.end()


async def test_a_task_is_claimed_run_and_completed(scene: Scene) -> None:
    submitted = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.completed == 1)
    assert scene.events(submitted) == ["TaskSubmitted", "ProcessingStarted", "TaskCompleted"]
    view = await scene.store.view(submitted.task_id)
    assert view is not None
    assert view.result == b'{"0":16}'
    assert not scene.relay_woken.is_set()


async def test_the_run_gets_the_circuit_and_the_options_of_the_submission(scene: Scene) -> None:
    append = tasks.submission("OPENQASM 3; qubit q;", RunOptions(shots=7, seed=3))
    await tasks.put(scene.store, append)
    scene.queue.publish(append.task_id)
    await until(lambda: len(scene.simulators.jobs) == 1)
    request = scene.simulators.jobs[0].request
    assert (request.circuit, request.options) == (
        "OPENQASM 3; qubit q;",
        RunOptions(shots=7, seed=3),
    )


async def test_a_result_says_where_and_in_which_attempt_it_was_made(scene: Scene) -> None:
    task = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.completed == 1)
    event = (await scene.store.histories([task.task_id]))[task.task_id].events[-1].event
    assert isinstance(event, TaskCompleted)
    assert (event.execution["worker_id"], event.execution["attempt"]) == ("w1", 1)
    assert 0 <= event.execution["waited_seconds"] < 5
    assert event.execution["seed"] == 1


async def test_the_shots_in_order_are_stored_beside_the_counts(scene: Scene) -> None:
    task = await scene.running()
    outcome = RunSucceeded({"0": 1, "1": 1}, ("1", "0"), {})
    scene.simulators.finish(scene.simulators.jobs[0], outcome)
    await until(lambda: scene.worker.counters.completed == 1)
    rows = scene.store.payload_rows[task.task_id]
    assert json.loads(rows[PayloadKind.MEMORY].body) == ["1", "0"]
    event = (await scene.store.histories([task.task_id]))[task.task_id].events[-1].event
    assert isinstance(event, TaskCompleted)
    assert event.memory is not None
    assert rows[PayloadKind.MEMORY].matches(event.memory)


async def test_events_carry_the_submissions_ids_and_what_caused_them(scene: Scene) -> None:
    task = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.completed == 1)
    events = (await scene.store.histories([task.task_id]))[task.task_id].events
    for earlier, later in itertools.pairwise(events):
        assert later.metadata.causation_id == earlier.event_id
        assert later.metadata.correlation_id == events[0].metadata.correlation_id
        assert later.metadata.traceparent == events[0].metadata.traceparent
        assert later.metadata.actor == "worker/w1"


async def test_a_bad_circuit_fails_with_its_place(scene: Scene) -> None:
    task = await scene.running("test")
    failure = RunFailed("parse_error", "There is no circuit here.", 1, 5)
    scene.simulators.finish(scene.simulators.jobs[0], failure)
    await until(lambda: scene.worker.counters.failed == 1)
    failed = await scene.load(task)
    assert (failed.status, failed.error_code) == (Status.FAILED, "parse_error")
    assert failed.error_message == "line 1, column 5: There is no circuit here."


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
    await until(lambda: not scene.queue.unacknowledged)
    assert scene.events(task) == ["TaskSubmitted", "ProcessingStarted"]
    await scene.end()


async def test_a_copy_of_a_task_that_runs_is_dropped() -> None:
    scene = await start_scene(slots=2)
    task = await scene.running()
    scene.queue.publish(task.task_id)
    await until(lambda: scene.worker.counters.dropped == 1)
    assert len(scene.simulators.jobs) == 1
    await scene.end()


async def test_a_message_of_an_unknown_task_is_dropped(scene: Scene) -> None:
    scene.queue.publish(uuid7())
    await until(lambda: scene.worker.counters.dropped == 1)
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
    await until(lambda: scene.worker.counters.dropped == 1)
    assert scene.simulators.jobs == []
    assert (await scene.load(task)).attempt == 1


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


async def test_a_dead_simulator_costs_an_attempt_and_nothing_else(scene: Scene) -> None:
    task = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], SimulatorDied("killed by SIGSEGV"))
    await until(lambda: scene.worker.counters.requeued == 1)
    again = await scene.load(task)
    assert (again.status, again.attempts_spent) == (Status.PENDING, 1)
    assert scene.relay_woken.is_set()


async def test_a_task_that_kills_simulators_fails_in_the_end(scene: Scene) -> None:
    task = await scene.submit()
    for attempt in range(3):
        if attempt:
            scene.queue.publish(task.task_id)
        await until(lambda: len(scene.simulators.running) == 1)
        scene.simulators.finish(scene.simulators.running[0], SimulatorDied("killed by SIGSEGV"))
        await until(lambda: not scene.worker.runs.held)
    failed = await scene.load(task)
    assert (failed.status, failed.error_code) == (Status.FAILED, "simulator_died")
    assert "SIGSEGV" in str(failed.error_message)


@pytest.mark.parametrize("erased", [PayloadKind.CIRCUIT])
async def test_a_task_whose_circuit_was_erased_fails_and_says_so(
    scene: Scene, erased: PayloadKind
) -> None:
    task = await tasks.submitted(scene.store)
    del scene.store.payload_rows[task.task_id][erased]
    scene.queue.publish(task.task_id)
    await until(lambda: scene.worker.counters.failed == 1)
    assert (await scene.load(task)).error_code == "circuit_erased"
    assert scene.simulators.jobs == []


async def test_a_circuit_that_is_not_the_submitted_one_is_not_run(scene: Scene) -> None:
    task = await tasks.submitted(scene.store)
    row = scene.store.payload_rows[task.task_id][PayloadKind.CIRCUIT]
    scene.store.payload_rows[task.task_id][PayloadKind.CIRCUIT] = replace(row, body=b"other")
    scene.queue.publish(task.task_id)
    await until(lambda: scene.worker.counters.failed == 1)
    assert (await scene.load(task)).error_code == "circuit_altered"


async def test_a_result_that_cannot_be_stored_fails_the_task(scene: Scene) -> None:
    task = await scene.running()
    append = scene.log.append

    async def refuse_results(appends: list[Append]) -> object:
        if any(isinstance(item.event, TaskCompleted) for item in appends):
            raise AppendRefused("too large")
        return await append(appends)

    scene.log.append = refuse_results  # type: ignore[method-assign,assignment]
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.failed == 1)
    assert (await scene.load(task)).error_code == "result_not_storable"


async def test_an_outcome_survives_an_error_that_nobody_foresaw(scene: Scene) -> None:
    task = await scene.running()
    append = scene.log.append

    async def stumble(appends: list[Append]) -> object:
        scene.log.append = append  # type: ignore[method-assign]
        raise RuntimeError("the driver lost its thread")

    scene.log.append = stumble  # type: ignore[method-assign,assignment]
    scene.simulators.finish(scene.simulators.jobs[0], succeeded())
    await until(lambda: scene.worker.counters.completed == 1)
    assert (await scene.load(task)).status is Status.COMPLETED


async def small_circuits_run(scene: Scene, count: int) -> None:
    """Teach the worker that circuits are small."""
    scene.simulators.automatic = succeeded()
    done = scene.worker.counters.completed + count
    for _ in range(count):
        await scene.submit()
    await until(lambda: scene.worker.counters.completed == done)
    scene.simulators.automatic = None


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


async def test_a_claim_is_for_the_next_attempt_with_a_lease(scene: Scene) -> None:
    task = await scene.running()
    event = (await scene.store.histories([task.task_id]))[task.task_id].events[-1].event
    assert event == ProcessingStarted(1, "w1")
    lease = scene.store._leases[task.task_id]
    assert (lease.attempt, lease.worker_id) == (1, "w1")


async def test_a_failure_without_a_place_is_just_the_reason(scene: Scene) -> None:
    task = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], RunFailed("timeout", "It took too long."))
    await until(lambda: scene.worker.counters.failed == 1)
    event = (await scene.store.histories([task.task_id]))[task.task_id].events[-1].event
    assert event == TaskFailed(1, "timeout", "It took too long.")


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


async def test_the_heartbeat_beats_while_both_connections_stand(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    scene = await start_scene(heartbeat_file=str(heartbeat))
    await until(heartbeat.exists)
    scene.queue.connected = False
    assert not await scene.worker.is_well()
    scene.queue.connected = True
    scene.log.away = True
    assert not await scene.worker.is_well()
    scene.log.away = False
    scene.simulators.out_of_service = 1
    assert not await scene.worker.is_well()
    scene.simulators.out_of_service = 0
    assert await scene.worker.is_well()
    await scene.end()
    assert not heartbeat.exists()


async def test_a_pool_that_is_closed_hands_back_what_it_is_given(scene: Scene) -> None:
    def refuse(_: object) -> NoReturn:
        raise PoolClosed("The simulators are shut down.")

    scene.simulators.submit = refuse  # type: ignore[method-assign,assignment]
    task = await scene.submit()
    await until(lambda: scene.worker.counters.handed_back == 1)
    assert (await scene.load(task)).status is Status.PENDING


async def test_runs_of_a_pool_that_closes_are_handed_back(scene: Scene) -> None:
    task = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], PoolClosed("The simulators were shut down."))
    await until(lambda: scene.worker.counters.handed_back == 1)
    assert (await scene.load(task)).attempts_spent == 0


async def test_an_error_of_the_pool_itself_costs_an_attempt(scene: Scene) -> None:
    task = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], RuntimeError("a bug"))
    await until(lambda: scene.worker.counters.requeued == 1)
    assert (await scene.load(task)).attempts_spent == 1


async def test_parameters_reach_the_run(scene: Scene) -> None:
    circuit = Payload(PayloadKind.CIRCUIT, b"OPENQASM 3; input float x;")
    parameters = Payload(PayloadKind.PARAMETERS, b'{"x":0.5}')
    submit = Submit(RunOptions(), circuit.commitment(), parameters.commitment())
    append = Append(uuid7(), 0, decide(None, submit), tasks.metadata(), (circuit, parameters))
    await tasks.put(scene.store, append)
    scene.queue.publish(append.task_id)
    await until(lambda: len(scene.simulators.jobs) == 1)
    assert scene.simulators.jobs[0].request.parameters == {"x": 0.5}
