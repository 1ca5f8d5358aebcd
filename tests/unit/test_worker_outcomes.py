"""What becomes of a claimed task: every way in which a run can end."""

import itertools
import json
from dataclasses import replace
from typing import NoReturn

import pytest

from domain.errors import AppendRefused
from domain.events import TaskCompleted, TaskFailed
from domain.execution import RunFailed, RunOptions, RunSucceeded
from domain.identifiers import uuid7
from domain.log import Append
from domain.payloads import Payload, PayloadKind
from domain.status import Status
from domain.task import Submit, decide
from infrastructure.quantum.pool import PoolClosed, SimulatorDied
from tests.support import tasks
from tests.support.worker_fakes import (
    succeeded,
    until,
)
from tests.support.worker_scene import Scene


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


async def test_a_failure_without_a_place_is_just_the_reason(scene: Scene) -> None:
    task = await scene.running()
    scene.simulators.finish(scene.simulators.jobs[0], RunFailed("timeout", "It took too long."))
    await until(lambda: scene.worker.counters.failed == 1)
    event = (await scene.store.histories([task.task_id]))[task.task_id].events[-1].event
    assert event == TaskFailed(1, "timeout", "It took too long.")


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
