"""Cancelling under way: what waits ends at once, what runs is stopped and makes room."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx2

from domain.status import Status
from domain.task import Cancel
from infrastructure.local.ports import free_port
from tests.support import tasks
from tests.support.client import Client
from tests.support.dispatcher import LONG, Dispatcher
from tests.support.processes import System
from tests.support.waiting import eventually

SHOTS_OF_MINUTES = 1_000_000


async def measured(port: int, line: str) -> None:
    """Return once a worker shows this line among its metrics."""

    async with httpx2.AsyncClient(timeout=5.0) as http:

        async def shown() -> bool:
            try:
                answer = await http.get(f"http://127.0.0.1:{port}/metrics")
            except httpx2.TransportError:
                return False
            return line in answer.text.splitlines()

        await eventually(shown, within=60)


async def running_with_a_spare(
    processes: System, dispatcher: Dispatcher, **settings: str
) -> tuple[UUID, int]:
    """Return a task that runs for minutes on a worker of one slot, and the port of its metrics."""
    port = free_port()
    processes.worker(METRICS_PORT=str(port), SIMULATOR_SPARES="1", **settings)
    running = await dispatcher.submit(LONG, SHOTS_OF_MINUTES)
    await dispatcher.runs(running, within=60)
    await measured(port, "ketlog_worker_spares_ready 1.0")
    return running, port


async def freed_after(dispatcher: Dispatcher, cancelled: UUID, following: UUID) -> timedelta:
    """Return the time from a cancellation to the next claim, by the database's clock."""
    begun = (await dispatcher.runs(following)).started_at
    ended = (await dispatcher.view(cancelled)).completed_at
    assert begun is not None
    assert ended is not None
    return begun - ended


async def test_what_waits_ends_at_once_and_what_runs_makes_room_within_a_second(
    processes: System, dispatcher: Dispatcher
) -> None:
    processes.api()
    # It looks at its leases too rarely to find out by itself.
    rarely = {"LEASE_SECONDS": "60", "LEASE_RENEWAL_SECONDS": "20"}
    running, port = await running_with_a_spare(processes, dispatcher, **rarely)
    following, waiting = [await dispatcher.submit(LONG) for _ in range(2)]
    await asyncio.to_thread(processes.wait_ready)
    async with Client(processes.api_url) as client:
        for task_id in (waiting, running):
            answer = await client.cancel(str(task_id), "no longer needed")
            assert answer.status_code == 200
            assert answer.json()["status"] == "cancelled"
        assert await freed_after(dispatcher, running, following) < timedelta(seconds=1)
        assert (await client.cancel(str(running), "again")).status_code == 409
        assert (await client.ended(str(following)))["status"] == "completed"
    assert await dispatcher.event_types(waiting) == ["TaskSubmitted", "TaskCancelled"]
    assert await dispatcher.event_types(running) == [
        "TaskSubmitted",
        "ProcessingStarted",
        "TaskCancelled",
    ]
    await measured(port, 'ketlog_worker_outcomes_total{outcome="cancelled"} 1.0')


async def test_a_run_is_stopped_although_nobody_tells_its_worker(
    processes: System, dispatcher: Dispatcher
) -> None:
    running, port = await running_with_a_spare(processes, dispatcher)
    following = await dispatcher.submit(LONG)
    # Into the log and nowhere else: as if the control channel were cut.
    cancelled = tasks.following(await tasks.load(dispatcher.log, running), Cancel("enough"))
    await tasks.put(dispatcher.log, cancelled)
    assert await freed_after(dispatcher, running, following) < timedelta(seconds=2)
    assert (await dispatcher.ended(following)).status is Status.COMPLETED
    await measured(port, 'ketlog_worker_outcomes_total{outcome="cancelled"} 1.0')
    assert (await dispatcher.view(running)).status is Status.CANCELLED
