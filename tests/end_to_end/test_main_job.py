"""From a submission to a histogram through the real processes, also while some of them die."""

import asyncio
from uuid import UUID

import asyncpg

from domain.status import Status
from tests import servers
from tests.support import invariants
from tests.support.client import Client
from tests.support.processes import NAME_IMPORTS, System
from tests.support.tasks import BELL, QUICKSTART
from tests.support.waiting import eventually

MEASURED = ["0", "1"]


def busy_circuit(qubits: int = 18, layers: int = 30) -> str:
    """A circuit that keeps a simulator busy for about a second."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{qubits}];", f"creg c[{qubits}];"]
    for layer in range(layers):
        lines += [f"rx({0.1 + layer}) q[{n}];" for n in range(qubits)]
        lines += [f"cx q[{n}],q[{n + 1}];" for n in range(qubits - 1)]
    return "\n".join([*lines, "measure q -> c;"])


async def test_the_quickstart_gives_what_it_says(ketlog: System, owner: asyncpg.Connection) -> None:
    for start in (ketlog.api, ketlog.relay, ketlog.worker):
        start()
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        health = (await client.get("/health")).json()
        assert {**health, "timestamp": ""} == {
            "status": "healthy",
            "database_status": "connected",
            "queue_status": "connected",
            "timestamp": "",
        }
        answer = await client.post({"circuit": QUICKSTART})
        assert answer.status_code == 202
        submitted = answer.json()
        assert submitted["message"] == "Task submitted successfully."
        assert answer.headers["location"] == f"/tasks/{submitted['task_id']}"
        task = await client.ended(submitted["task_id"])
    assert task["status"] == "completed"
    assert sorted(task["result"]) == MEASURED
    assert sum(task["result"].values()) == 1024
    assert task["submitted_at"] == submitted["submitted_at"]
    assert task["correlation_id"] == submitted["correlation_id"]
    assert [(entry["status"], entry["notes"]) for entry in task["status_history"]] == [
        ("pending", "Task created"),
        ("processing", "Worker started processing"),
        ("completed", "Task completed successfully"),
    ]
    await _check_sample_queries(owner, UUID(submitted["task_id"]))
    worker_log = ketlog.processes["worker"].log()
    assert "Connected to RabbitMQ" in worker_log
    assert "Started consuming messages" in worker_log
    assert QUICKSTART not in worker_log
    assert [process.stop() for process in ketlog.processes.values()] == [0, 0, 0]


async def _check_sample_queries(owner: asyncpg.Connection, task_id: UUID) -> None:
    (newest,) = await owner.fetch(
        "SELECT task_id, current_status, submitted_at FROM tasks"
        " ORDER BY submitted_at DESC LIMIT 10"
    )
    assert (newest["task_id"], newest["current_status"]) == (task_id, "completed")
    history = await owner.fetch(
        "SELECT * FROM status_history WHERE task_id = $1 ORDER BY transitioned_at", task_id
    )
    assert [row["status"] for row in history] == ["pending", "processing", "completed"]
    counted = await owner.fetch(
        "SELECT current_status, COUNT(*) FROM tasks GROUP BY current_status"
    )
    assert [tuple(row) for row in counted] == [("completed", 1)]


async def test_the_simulator_is_loaded_by_no_process_that_holds_connections(
    ketlog: System,
) -> None:
    for start in (ketlog.api, ketlog.relay, ketlog.worker):
        start(**NAME_IMPORTS)
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        await client.ended(await client.submit({"circuit": BELL}))
    for process in ketlog.processes.values():
        imported = process.imported()
        assert "asyncpg" in imported
        assert not {"qiskit", "qiskit_aer"} & imported, process.name


async def test_every_accepted_task_ends_once_although_a_worker_and_the_relay_are_killed(
    ketlog: System, owner: asyncpg.Connection
) -> None:
    ketlog.api()
    ketlog.relay()
    ketlog.worker("worker-1", WORKER_SLOTS="2")
    ketlog.worker("worker-2", WORKER_SLOTS="2")
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        bodies = [{"circuit": busy_circuit(), "shots": 64}] * 6 + [{"circuit": BELL}] * 200
        submitting = asyncio.create_task(client.submit_all(bodies))
        victim = await _busy_worker(owner)
        ketlog.processes[victim].kill()
        ketlog.processes["relay"].kill()
        ketlog.processes["relay"].start()
        ketlog.processes[victim].start()
        accepted = await submitting
        await client.all_ended(accepted, within=90)
    tasks = await invariants.check(owner, accepted)
    assert {task.status for task in tasks.values()} == {Status.COMPLETED}
    assert sum(task.attempt > 1 for task in tasks.values()) >= 1


async def _busy_worker(owner: asyncpg.Connection) -> str:
    """The name of a worker in the middle of a run."""
    name: str | None = None

    async def found() -> bool:
        nonlocal name
        name = await owner.fetchval("SELECT worker_id FROM leases LIMIT 1")
        return name is not None

    await eventually(found, within=30)
    assert name is not None
    return name


async def test_submissions_are_accepted_and_kept_while_the_broker_is_away(
    ketlog: System, owner: asyncpg.Connection, rabbitmq_server: servers.BrokerServer
) -> None:
    for start in (ketlog.api, ketlog.relay, ketlog.worker):
        start()
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        rabbitmq_server.stop()
        accepted = await client.submit_all([{"circuit": QUICKSTART}] * 30)
        assert client.answers == {202: 30}

        async def degraded() -> bool:
            health = (await client.get("/health")).json()
            return (health["status"], health["queue_status"]) == ("degraded", "disconnected")

        await eventually(degraded, within=10)
        rabbitmq_server.start()
        await client.all_ended(accepted, within=60)
    tasks = await invariants.check(owner, accepted)
    assert {(task.status, task.attempt) for task in tasks.values()} == {(Status.COMPLETED, 1)}


async def test_the_database_may_go_away_and_come_back(
    ketlog: System, database_url: str, postgres_server: servers.DatabaseServer
) -> None:
    for start in (ketlog.api, ketlog.relay, ketlog.worker):
        start()
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        before = await client.submit_all([{"circuit": BELL}] * 20)
        postgres_server.stop()
        async with asyncio.timeout(3):
            refused = await client.post({"circuit": BELL})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"] == "application/problem+json"
        postgres_server.start()
        after = await client.submit_all([{"circuit": BELL}] * 20)
        await client.all_ended(before + after, within=60)
        connection = await asyncpg.connect(database_url)
        try:
            await invariants.check(connection, before + after)
        finally:
            await connection.close()
    for process in ketlog.processes.values():
        assert process.popen is not None
        assert process.popen.poll() is None, f"{process.name} had to be restarted"
