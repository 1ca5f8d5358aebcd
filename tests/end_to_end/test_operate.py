"""The operator's program on a running relay."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from domain.identifiers import new_traceparent
from domain.ports import OutboxRow
from infrastructure.heartbeat import is_fresh
from infrastructure.local.health import pause_notice
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.rabbitmq.message import encode
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import DEAD_QUEUE, Topology
from tests.support import tasks
from tests.support.amqp import Operator, operator, rows
from tests.support.processes import ROOT, System, system
from tests.support.waiting import eventually


@pytest.fixture
def processes(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    with system(database_url, rabbitmq_url, tmp_path) as made:
        made.settings |= {"RELAY_POLL_SECONDS": "0.05"}
        yield made


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[PostgresEventLog]:
    database = Database(database_url, size=2, application_name="test")
    yield PostgresEventLog(database)
    await database.close()


@pytest.fixture
async def broker(rabbitmq_url: str) -> AsyncIterator[Operator]:
    async with operator(rabbitmq_url) as made:
        yield made


def operate(processes: System, *command: str, code: int = 0) -> str:
    """Run the program; returns what it says."""
    outcome = subprocess.run(
        [sys.executable, "-m", "service.operate", *command],
        check=False,
        cwd=ROOT,
        env=os.environ
        | {"DATABASE_URL": processes.database_url, "RABBITMQ_URL": processes.rabbitmq_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert outcome.returncode == code, outcome.stdout + outcome.stderr
    return outcome.stdout if code == 0 else outcome.stderr


async def operated(processes: System, *command: str, code: int = 0) -> str:
    """`operate` beside the event loop: a broker that hears nothing for long closes connections."""
    return await asyncio.to_thread(operate, processes, *command, code=code)


async def test_a_pause_holds_over_the_start_of_a_relay_until_it_is_ended(
    processes: System, log: PostgresEventLog, broker: Operator
) -> None:
    said = await operated(processes, "pause", "new disks")
    assert "Dispatch is paused (new disks)" in said
    await tasks.submitted(log)
    relay = processes.relay()
    await eventually(lambda: is_fresh(relay.heartbeat_path), 20, "a heartbeat")
    await eventually(lambda: "Dispatch is paused" in relay.log(), 10)
    assert await broker.ready() == 0
    notice = await asyncio.to_thread(pause_notice, processes.database_url)
    assert "(new disks): `make resume` ends that" in (notice or "")
    said = await operated(processes, "resume")
    assert "Dispatch goes on" in said

    async def sent() -> bool:
        return await broker.ready() == 1

    await eventually(sent, 10, "a message in the queue")
    await eventually(lambda: "Dispatch is resumed" in relay.log(), 10)
    assert await asyncio.to_thread(pause_notice, processes.database_url) is None


async def test_dead_letters_are_listed_put_right_and_discarded(
    processes: System, log: PostgresEventLog, broker: Operator, rabbitmq_url: str
) -> None:
    publisher = Publisher(rabbitmq_url, "test", Topology())
    await publisher.publish(rows(1))
    await publisher.close()
    task = await tasks.submitted(log)
    body, _ = encode(
        OutboxRow(1, task.task_id, task.last_event_id, "a-correlation-id", new_traceparent())
    )
    await broker.put(body, DEAD_QUEUE, str(task.last_event_id))
    await broker.put(b"not a task", DEAD_QUEUE, "junk")
    await eventually(lambda: _letters(broker, 2), 10, "two letters")

    listed = json.loads(await operated(processes, "dead-letters", "--json"))
    assert {row["message_id"]: row["task_status"] for row in listed} == {
        str(task.last_event_id): "pending",
        "junk": None,
    }
    assert "not a task message" in await operated(processes, "dead-letters")
    assert "`make discard ID=junk`" in await operated(processes, "requeue", "junk", code=1)
    assert "has another message sent" in await operated(processes, "requeue", str(task.task_id))
    last = (await log.histories([task.task_id]))[task.task_id].events[-1]
    assert last.metadata.actor == "operator"
    assert "message_id junk" in await operated(processes, "discard", "junk")
    assert await broker.ready(DEAD_QUEUE) == 0
    assert await operated(processes, "dead-letters") == "There are no dead letters.\n"


async def _letters(broker: Operator, count: int) -> bool:
    return await broker.ready(DEAD_QUEUE) == count


def test_an_absent_database_is_said_with_advice(processes: System) -> None:
    processes.database_url = "postgresql://127.0.0.1:1/none"
    assert "`make up` starts it" in operate(processes, "pause", code=1)
