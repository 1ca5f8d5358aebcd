"""The worker as a process, on real servers, with real simulators."""

import asyncio
import json
import re

import psutil

from domain.ports import TaskView
from domain.status import Status
from tests.support import tasks
from tests.support.dispatcher import LONG, Dispatcher
from tests.support.processes import NAME_IMPORTS, System


def counts(view: TaskView) -> dict[str, int]:
    """Return the result of a task."""
    assert view.result is not None, view
    result = json.loads(view.result)
    assert isinstance(result, dict)
    return result


async def test_a_bell_pair_is_completed(processes: System, dispatcher: Dispatcher) -> None:
    processes.worker()
    task_id = await dispatcher.submit(tasks.BELL, shots=500)
    view = await dispatcher.ended(task_id)
    assert view.status is Status.COMPLETED
    assert set(counts(view)) == {"00", "11"}
    assert sum(counts(view).values()) == 500
    assert [entry.notes for entry in view.history] == [
        "Task created",
        "Worker started processing",
        "Task completed successfully",
    ]
    execution = json.loads(view.execution or b"")
    assert (execution["worker_id"], execution["attempt"]) == ("worker", 1)


async def test_a_seed_gives_the_same_counts_on_every_worker(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.worker("one")
    processes.worker("two")
    results = []
    for seed in (5, 5, 5, 5, 6):
        view = await dispatcher.ended(await dispatcher.submit(tasks.BELL, 1_000, seed))
        results.append(counts(view))
    assert results[0] == results[1] == results[2] == results[3]
    assert results[0] != results[4]


async def test_the_shots_in_order_are_kept_if_asked_for(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.worker()
    view = await dispatcher.ended(await dispatcher.submit(tasks.BELL, 20, memory=True))
    assert view.memory is not None
    shots = json.loads(view.memory)
    assert {key: shots.count(key) for key in set(shots)} == counts(view)


async def test_a_bad_circuit_fails_with_line_and_column(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.worker()
    view = await dispatcher.ended(await dispatcher.submit("test"))
    assert view.status is Status.FAILED
    assert view.error_code is not None
    assert re.match(r"line 1, column \d+: ", view.error_message or "")


async def test_messages_of_a_task_that_runs_or_has_ended_are_dropped(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.worker(WORKER_SLOTS="2")
    task_id = await dispatcher.submit(LONG, shots=4_000)
    await dispatcher.runs(task_id)
    for _ in range(3):
        await dispatcher.send(task_id)
    await dispatcher.ended(await dispatcher.submit(tasks.BELL))
    assert (await dispatcher.ended(task_id)).status is Status.COMPLETED
    await dispatcher.send(task_id)
    await dispatcher.ended(await dispatcher.submit(tasks.BELL))
    expected = ["TaskSubmitted", "ProcessingStarted", "TaskCompleted"]
    assert await dispatcher.event_types(task_id) == expected


async def test_hundreds_of_small_circuits_end_exactly_once(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.worker("one")
    processes.worker("two")
    ids = await dispatcher.submit_many(400, tasks.BELL)
    for task_id in ids:
        await dispatcher.ended(task_id, within=60.0)
    for task_id in ids:
        types = await dispatcher.event_types(task_id)
        assert types.count("TaskCompleted") == 1
        assert types[-1] == "TaskCompleted"


async def test_a_terminated_worker_drains_and_leaves_with_zero(
    processes: System, dispatcher: Dispatcher
) -> None:
    worker = processes.worker()
    processes.wait_ready()
    ids = await dispatcher.submit_many(200, tasks.BELL)
    await dispatcher.when(ids[0], lambda view: view.status is not Status.PENDING)
    code = await asyncio.to_thread(worker.stop)
    assert code == 0
    statuses = [(await dispatcher.view(task_id)).status for task_id in ids]
    assert Status.PROCESSING not in statuses
    processes.worker("next")
    for task_id in ids:
        view = await dispatcher.ended(task_id, within=60.0)
        assert view.attempt == 1


async def test_the_worker_itself_stays_small(processes: System, dispatcher: Dispatcher) -> None:
    worker = processes.worker(**NAME_IMPORTS)
    for task_id in await dispatcher.submit_many(300, tasks.BELL):
        await dispatcher.ended(task_id, within=60.0)
    assert psutil.Process(worker.pid).memory_info().rss < 100 * 2**20
    imported = worker.imported()
    assert "asyncpg" in imported
    assert not {"qiskit", "qiskit_aer"} & imported


async def test_the_log_names_what_readers_look_for_and_no_content(
    processes: System, dispatcher: Dispatcher
) -> None:
    worker = processes.worker()
    await dispatcher.ended(await dispatcher.submit(tasks.BELL))
    assert "Connected to RabbitMQ" in worker.log()
    assert "Started consuming messages" in worker.log()
    assert "OPENQASM" not in worker.log()
    assert "guest:guest" not in worker.log()
