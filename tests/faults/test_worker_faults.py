"""What may happen to a worker and around it, and what it costs a task: at most an attempt."""

import asyncio
import json
import os
import signal
import time
from uuid import UUID

import asyncpg
import psutil

from domain.ports import TaskView
from domain.status import Status
from tests import servers
from tests.support import tasks
from tests.support.dispatcher import LONG, Dispatcher
from tests.support.processes import Process, System
from tests.support.waiting import eventually

TERMINAL = {"TaskCompleted", "TaskFailed", "TaskCancelled"}
SHOTS_OF_A_SECOND = 4_000
SHOTS_OF_MINUTES = 1_000_000


async def ended_once(dispatcher: Dispatcher, task_id: UUID, attempt: int) -> TaskView:
    """Return a task once it has completed, in this attempt and with one terminal event."""
    view = await dispatcher.ended(task_id, within=60.0)
    assert (view.status, view.attempt) == (Status.COMPLETED, attempt)
    types = await dispatcher.event_types(task_id)
    assert sum(name in TERMINAL for name in types) == 1
    return view


def simulators(worker: Process) -> list[psutil.Process]:
    """Return the simulator processes of a worker."""
    return [
        child
        for child in psutil.Process(worker.pid).children()
        if "infrastructure.quantum.child" in child.cmdline()
    ]


async def test_a_killed_workers_task_is_completed_by_another(
    processes: System, dispatcher: Dispatcher
) -> None:
    victim = processes.worker("victim")
    task_id = await dispatcher.submit(LONG, SHOTS_OF_A_SECOND)
    await dispatcher.runs(task_id)
    victim.kill()
    processes.worker("heir")
    view = await ended_once(dispatcher, task_id, attempt=2)
    assert json.loads(view.execution or b"")["worker_id"] == "heir"


async def test_the_simulators_of_a_killed_worker_go_with_it(
    processes: System, dispatcher: Dispatcher
) -> None:
    worker = processes.worker()
    await dispatcher.runs(await dispatcher.submit(LONG, SHOTS_OF_MINUTES))
    children = simulators(worker)
    assert children
    worker.kill()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, children, 5)
    assert len(gone) == len(children)
    assert alive == []


async def test_a_frozen_workers_late_result_is_refused(
    processes: System, dispatcher: Dispatcher
) -> None:
    frozen = processes.worker("frozen")
    task_id = await dispatcher.submit(LONG, SHOTS_OF_A_SECOND)
    await dispatcher.runs(task_id)
    frozen.pause()
    processes.worker("heir")
    await dispatcher.when(
        task_id, lambda view: view.attempt == 2 and view.status is Status.PROCESSING
    )
    frozen.resume()
    view = await ended_once(dispatcher, task_id, attempt=2)
    assert json.loads(view.execution or b"")["worker_id"] == "heir"


async def test_killed_simulators_cost_an_attempt(processes: System, dispatcher: Dispatcher) -> None:
    worker = processes.worker()
    task_id = await dispatcher.submit(LONG, SHOTS_OF_A_SECOND)
    await dispatcher.runs(task_id)
    for simulator in simulators(worker):
        simulator.kill()
    await ended_once(dispatcher, task_id, attempt=2)
    assert "TaskRequeued" in await dispatcher.event_types(task_id)


async def test_a_database_restart_in_mid_run_costs_nothing(
    processes: System, dispatcher: Dispatcher, postgres_server: servers.DatabaseServer
) -> None:
    processes.worker()
    task_id = await dispatcher.submit(LONG, SHOTS_OF_A_SECOND)
    await dispatcher.runs(task_id)
    dispatcher.reaping = False
    await asyncio.to_thread(postgres_server.stop)
    await asyncio.to_thread(postgres_server.start)
    await ended_once(dispatcher, task_id, attempt=1)


async def test_tasks_go_on_after_the_database_was_away(
    processes: System, dispatcher: Dispatcher, postgres_server: servers.DatabaseServer
) -> None:
    worker = processes.worker()
    await dispatcher.ended(await dispatcher.submit(tasks.BELL))
    await asyncio.to_thread(postgres_server.stop)
    await asyncio.to_thread(postgres_server.start)
    ids = await dispatcher.submit_many(20, tasks.BELL)
    for task_id in ids:
        await dispatcher.ended(task_id)
    assert worker.popen is not None
    assert worker.popen.poll() is None


async def test_a_broker_restart_in_mid_run_costs_no_attempt(
    processes: System, dispatcher: Dispatcher, rabbitmq_server: servers.BrokerServer
) -> None:
    processes.worker()
    task_id = await dispatcher.submit(LONG, 2 * SHOTS_OF_A_SECOND)
    await dispatcher.runs(task_id)
    await asyncio.to_thread(rabbitmq_server.stop)
    await asyncio.to_thread(rabbitmq_server.start)
    await ended_once(dispatcher, task_id, attempt=1)
    await ended_once(dispatcher, await dispatcher.submit(tasks.BELL), attempt=1)


async def test_a_terminated_worker_finishes_what_runs(
    processes: System, dispatcher: Dispatcher
) -> None:
    worker = processes.worker()
    task_id = await dispatcher.submit(LONG, SHOTS_OF_A_SECOND)
    await dispatcher.runs(task_id)
    assert await asyncio.to_thread(worker.stop) == 0
    await ended_once(dispatcher, task_id, attempt=1)


async def test_a_terminated_worker_hands_back_what_takes_too_long(
    processes: System, dispatcher: Dispatcher
) -> None:
    worker = processes.worker(SHUTDOWN_GRACE_SECONDS="2")
    task_id = await dispatcher.submit(LONG, SHOTS_OF_MINUTES)
    await dispatcher.runs(task_id)
    begun = time.monotonic()
    assert await asyncio.to_thread(worker.stop) == 0
    assert time.monotonic() - begun < 3.5
    view = await dispatcher.view(task_id)
    assert view.status is Status.PENDING
    assert view.history[-1].notes == "Task requeued: handed_back"


async def test_a_second_signal_ends_the_worker_at_once(
    processes: System, dispatcher: Dispatcher
) -> None:
    worker = processes.worker()
    await dispatcher.runs(await dispatcher.submit(LONG, SHOTS_OF_MINUTES))
    os.kill(worker.pid, signal.SIGTERM)
    await eventually(lambda: "Worker drains" in worker.log())
    begun = time.monotonic()
    assert await asyncio.to_thread(worker.stop, 5.0) != 0
    assert time.monotonic() - begun < 2


async def test_a_terminated_worker_leaves_in_time_without_a_database(
    processes: System, dispatcher: Dispatcher, postgres_server: servers.DatabaseServer
) -> None:
    worker = processes.worker(SHUTDOWN_GRACE_SECONDS="3")
    await dispatcher.runs(await dispatcher.submit(LONG, SHOTS_OF_MINUTES))
    postgres_server.pause()
    try:
        begun = time.monotonic()
        assert await asyncio.to_thread(worker.stop) == 0
        assert time.monotonic() - begun < 4.5
    finally:
        postgres_server.resume()


async def test_small_circuits_do_not_wait_behind_a_long_one(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.worker("one")
    processes.worker("two")
    processes.wait_ready()
    for task_id in await dispatcher.submit_many(300, tasks.BELL):
        await dispatcher.ended(task_id, within=60.0)
    long_id = await dispatcher.submit(LONG, SHOTS_OF_MINUTES)
    small_ids = await dispatcher.submit_many(60, tasks.BELL)
    for task_id in small_ids:
        view = await dispatcher.ended(task_id)
        assert view.attempt == 1
        assert json.loads(view.execution or b"")["waited_seconds"] < 0.1
    assert (await dispatcher.view(long_id)).status is Status.PROCESSING


async def test_long_circuits_are_claimed_one_for_each_slot(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.worker(WORKER_SLOTS="2")
    ids = [await dispatcher.submit(LONG, SHOTS_OF_A_SECOND // 4) for _ in range(8)]
    claimed_at_once = ended = 0
    owner = await asyncpg.connect(processes.database_url)
    async with asyncio.timeout(60):
        while ended < len(ids):
            # One statement: tasks that are looked at one after the other move in between.
            (row,) = await owner.fetch(
                "SELECT count(*) FILTER (WHERE current_status = 'processing'),"
                " count(*) FILTER (WHERE completed_at IS NOT NULL) FROM tasks"
            )
            claimed, ended = row
            claimed_at_once = max(claimed_at_once, claimed)
    await owner.close()
    assert claimed_at_once == 2
    for task_id in ids:
        await ended_once(dispatcher, task_id, attempt=1)
