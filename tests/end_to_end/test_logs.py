"""What all processes say while tasks run and servers fail: whose task it is, and nothing secret."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from infrastructure.local.ports import free_port
from tests.support import tasks
from tests.support.client import Client
from tests.support.processes import System, system
from tests.support.waiting import eventually

MARKER = "a trade secret"
OUTCOME = "101100111000101101110"
"""Its only outcome: no line can have it by chance."""
DETERMINISTIC = (
    f"OPENQASM 3; /* {MARKER} */ qubit[{len(OUTCOME)}] q; bit[{len(OUTCOME)}] c; "
    + " ".join(f"x q[{n}];" for n, bit in enumerate(reversed(OUTCOME)) if bit == "1")
    + " c = measure q;"
)
BAD = f'OPENQASM 3; include "{MARKER}"; qubit q; {MARKER};'
TRACE_ID = "f" * 32
CORRELATION = {"X-Correlation-ID": "log me"}


@pytest.fixture
def password() -> str:
    return f"sesame-{secrets.token_hex(8)}"


@pytest.fixture
def login(database_url: str, password: str) -> Iterator[str]:
    """The URL of a user of the database whose password nobody else has."""
    name = f"user_{secrets.token_hex(4)}"
    user = sql.Identifier(name)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(user, sql.Literal(password))
        )
        owner.execute(sql.SQL("GRANT ketlog_app TO {}").format(user))
        parts = urlsplit(database_url)
        netloc = f"{name}:{password}@{parts.hostname}:{parts.port}"
        yield urlunsplit(parts._replace(netloc=netloc))
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,)
        )
        owner.execute(sql.SQL("DROP ROLE {}").format(user))


@pytest.fixture
def processes(login: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    with system(login, rabbitmq_url, tmp_path) as made:
        made.settings |= {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json", "WORKER_SLOTS": "1"}
        made.api()
        made.relay()
        made.worker()
        made.wait_ready()
        yield made


def lines(processes: System, name: str) -> list[dict[str, Any]]:
    """The lines of one process; every one of them is JSON, its libraries' too."""
    return [json.loads(line) for line in processes.processes[name].log().splitlines()]


def cut_connections(login: str) -> None:
    """End every session of the processes, as a fail-over would."""
    with psycopg.connect(login, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )


async def test_lines_carry_the_ids_of_their_task_and_no_content_or_credential(
    processes: System, login: str, password: str
) -> None:
    lost = f"amqp://somebody:{password}@127.0.0.1:{free_port()}/"
    processes.api("lost", RABBITMQ_URL=lost, PORT=str(free_port()))
    async with Client(processes.api_url) as client:
        answer = await client.post(
            {"circuit": DETERMINISTIC}, traceparent=f"00-{TRACE_ID}-{'d' * 16}-00", **CORRELATION
        )
        task_id = answer.json()["task_id"]
        assert (await client.ended(task_id))["result"] == {OUTCOME: 1024}
        failed = await client.ended(await client.submit({"circuit": BAD}))
        assert failed["status"] == "failed"
        await asyncio.to_thread(cut_connections, login)
        await client.ended(await client.submit({"circuit": tasks.BELL}))
        assert (await client.post({"circuit": 7, "shots": MARKER})).status_code == 422

    def complains() -> bool:
        return any(
            line["event"] == "No RabbitMQ, trying again" for line in lines(processes, "lost")
        )

    await eventually(complains)

    (accepted,) = (
        line for line in lines(processes, "api") if line.get("correlation_id") == "log me"
    )
    assert (accepted["route"], accepted["status"]) == ("/tasks", 202)
    assert accepted["trace_id"] == TRACE_ID
    said = [
        (line["event"], line["correlation_id"], line["trace_id"])
        for name in ("relay", "worker")
        for line in lines(processes, name)
        if line.get("task_id") == task_id
    ]
    assert said == [
        (event, "log me", TRACE_ID) for event in ("Message sent", "Task claimed", "Task completed")
    ]
    for name in processes.processes:
        kinds = lines(processes, name)
        assert all({"event", "level", "timestamp", "process"} <= line.keys() for line in kinds)
    assert any(line.get("logger", "").startswith("uvicorn") for line in lines(processes, "api"))
    for process in processes.processes.values():
        for secret in (MARKER, "OPENQASM", OUTCOME, password):
            assert secret not in process.log(), f"{process.name} tells {secret}"
