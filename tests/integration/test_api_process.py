"""The API as a process, on a real PostgreSQL that comes and goes."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import asyncpg
import psycopg
import pytest

from infrastructure.local.ports import free_port
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.notifications import CHANNEL
from service.api.models import TaskStatus, TaskSubmitted
from tests import servers
from tests.support.api import problem
from tests.support.client import Client
from tests.support.processes import ROOT, Process, System, system
from tests.support.tasks import QUICKSTART, claim, completion, load, put
from tests.support.waiting import eventually

T = TypeVar("T")
NO_BROKER = "amqp://guest:guest@127.0.0.1:9/"
MEBIBYTE = 1024 * 1024


@pytest.fixture
def ketlog(database_url: str, tmp_path: Path) -> Iterator[System]:
    """An API that is ready, with a database and without a broker."""
    with system(database_url, NO_BROKER, tmp_path) as made:
        made.api(LOG_FORMAT="json")
        made.wait_ready()
        yield made


async def timed(work: Awaitable[T]) -> tuple[T, float]:
    """An outcome and the seconds that it took."""
    began = time.monotonic()
    outcome = await work
    return outcome, time.monotonic() - began


async def health(client: Client) -> dict[str, str]:
    """The health answer, which must come within 100 ms."""
    answer, seconds = await timed(client.get("/health"))
    assert answer.status_code == 200
    assert seconds < 0.1
    return dict(answer.json())


async def test_what_was_submitted_is_stored_and_shown(ketlog: System, database_url: str) -> None:
    async with Client(ketlog.api_url) as client:
        answer = await client.post({"circuit": QUICKSTART, "shots": 10, "parameters": {"a": 1.5}})
        assert answer.status_code == 202
        submitted = answer.json()
        TaskSubmitted.model_validate(submitted)
        database = Database(database_url, size=2, application_name="test")
        log = PostgresEventLog(database)
        task_id = UUID(submitted["task_id"])
        await put(log, claim(await load(log, task_id)))
        await put(log, completion(await load(log, task_id), {"0": 4, "1": 6}))
        await database.close()
        body = await client.task(submitted["task_id"])
    TaskStatus.model_validate(body)
    assert body["submitted_at"] == submitted["submitted_at"]
    assert body["correlation_id"] == submitted["correlation_id"]
    assert body["result"] == {"0": 4, "1": 6}
    assert [line["status"] for line in body["status_history"]] == [
        "pending",
        "processing",
        "completed",
    ]


async def test_concurrent_twins_become_one_task(ketlog: System, database_url: str) -> None:
    async with Client(ketlog.api_url, connections=64) as client:
        answers = await asyncio.gather(
            *(
                client.post({"circuit": QUICKSTART}, **{"Idempotency-Key": "twins"})
                for _ in range(64)
            )
        )
        other = await client.post({"circuit": "other"}, **{"Idempotency-Key": "twins"})
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    problem(other, 422)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


async def test_the_relay_is_woken_after_a_submission(ketlog: System, database_url: str) -> None:
    woken = asyncio.Event()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(CHANNEL, lambda *_: woken.set())
    async with Client(ketlog.api_url) as client:
        await client.submit({"circuit": QUICKSTART})
    await asyncio.wait_for(woken.wait(), 5)
    await listener.close()


async def test_without_the_database_requests_fail_fast_and_recover_by_themselves(
    ketlog: System, postgres_server: servers.DatabaseServer
) -> None:
    async with Client(ketlog.api_url) as client:
        before = await client.submit({"circuit": QUICKSTART})
        postgres_server.stop()
        refused, seconds = await timed(client.post({"circuit": QUICKSTART}))
        problem(refused, 503)
        assert seconds < 3
        assert int(refused.headers["retry-after"]) >= 1
        look, seconds = await timed(client.get(f"/tasks/{before}"))
        problem(look, 503)
        assert seconds < 3

        async def unhealthy() -> bool:
            return (await health(client))["status"] == "unhealthy"

        await eventually(unhealthy, within=3)
        assert (await health(client))["database_status"] == "disconnected"
        problem(await client.get("/readyz"), 503)
        assert (await client.get("/livez")).status_code == 200
        postgres_server.start()

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(ready, within=10)
        assert (await client.post({"circuit": QUICKSTART})).status_code == 202
        assert (await client.task(before))["status"] == "pending"


async def test_a_database_that_hangs_does_not_hang_the_api(
    ketlog: System, postgres_server: servers.DatabaseServer
) -> None:
    async with Client(ketlog.api_url) as client:
        before = await client.submit({"circuit": QUICKSTART})
        postgres_server.pause()
        try:
            answers = await asyncio.gather(
                *(timed(client.post({"circuit": QUICKSTART})) for _ in range(10)),
                *(timed(client.get(f"/tasks/{before}")) for _ in range(10)),
            )
            for answer, seconds in answers:
                problem(answer, 503)
                assert seconds < 3
                assert answer.headers["retry-after"]
            assert (await health(client))["status"] == "unhealthy"
        finally:
            postgres_server.resume()

        async def accepted() -> bool:
            return (await client.post({"circuit": QUICKSTART})).status_code == 202

        await eventually(accepted, within=10)
        assert (await client.task(before))["status"] == "pending"


async def test_a_retry_with_the_same_key_finds_what_an_unknown_outcome_had_stored(
    ketlog: System, postgres_server: servers.DatabaseServer, database_url: str
) -> None:
    async with Client(ketlog.api_url) as client:
        await client.submit({"circuit": "warm"})
        postgres_server.pause()
        try:
            answer = await client.post({"circuit": "once"}, **{"Idempotency-Key": "k"})
        finally:
            postgres_server.resume()
        unknown = problem(answer, 503)
        assert unknown["outcome"] == "unknown"
        async with asyncio.timeout(15):
            while answer.status_code != 202:
                answer = await client.post({"circuit": "once"}, **{"Idempotency-Key": "k"})
        assert answer.json()["task_id"] == unknown["task_id"]
    with psycopg.connect(database_url) as connection:
        count = connection.execute(
            "SELECT count(*) FROM events WHERE task_id = %s", (unknown["task_id"],)
        )
        assert count.fetchone() == (1,)


async def test_it_starts_without_a_database_and_serves_when_there_is_one(
    postgres_server: servers.DatabaseServer, database_url: str, tmp_path: Path
) -> None:
    postgres_server.stop()
    with system(database_url, NO_BROKER, tmp_path) as ketlog:
        api = ketlog.api()
        async with Client(ketlog.api_url) as client:

            async def listening() -> bool:
                return is_listening(ketlog.api_port)

            await eventually(listening, within=20)
            problem(await client.get("/readyz"), 503)
            problem(await client.post({"circuit": QUICKSTART}), 503)
            postgres_server.start()

            async def accepted() -> bool:
                return (await client.post({"circuit": QUICKSTART})).status_code == 202

            await eventually(accepted, within=15)
        assert api.stop() == 0


async def test_a_database_without_the_schema_is_named_as_such(
    postgres_server: servers.DatabaseServer, database_url: str, tmp_path: Path
) -> None:
    name = "no_schema_here"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        with system(postgres_server.dsn(name), NO_BROKER, tmp_path) as ketlog:
            ketlog.api()
            async with Client(ketlog.api_url) as client:

                async def listening() -> bool:
                    return is_listening(ketlog.api_port)

                await eventually(listening, within=20)
                document = problem(await client.get("/readyz"), 503)
                assert "make migrate" in document["reasons"][0]
                answer, seconds = await timed(client.post({"circuit": QUICKSTART}))
                assert "make migrate" in problem(answer, 503)["detail"]
                assert seconds < 3
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_request_in_flight_is_answered_before_the_process_ends(ketlog: System) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", ketlog.api_port)
    body = json.dumps({"circuit": QUICKSTART}).encode()
    head = b"POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body[:5])
    await writer.drain()
    async with Client(ketlog.api_url) as client:
        assert (await client.get("/livez")).status_code == 200
    api = ketlog.processes["api"]
    ended = asyncio.create_task(asyncio.to_thread(api.stop))

    async def draining() -> bool:
        return not is_listening(ketlog.api_port)

    await eventually(draining, within=5)
    writer.write(body[5:])
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert await ended == 0
    writer.close()


def test_its_log_is_json_and_holds_no_circuit(ketlog: System) -> None:
    async def submit() -> None:
        async with Client(ketlog.api_url) as client:
            await client.submit({"circuit": "a circuit that nobody may read"})
            await client.post({"circuit": "another one", "shots": 0})

    asyncio.run(submit())
    api = ketlog.processes["api"]
    assert api.stop() == 0
    log = api.log()
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert "Listening" in events
    assert "Stopped" in events
    assert "that nobody may read" not in log
    assert "another one" not in log


def test_a_second_signal_is_not_needed_and_the_end_is_quick(ketlog: System) -> None:
    began = time.monotonic()
    assert ketlog.processes["api"].stop() == 0
    assert time.monotonic() - began < 5


def test_a_taken_port_is_named_with_the_variable_that_changes_it(
    database_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_api(DATABASE_URL=database_url, PORT=str(port))
    assert ended.returncode != 0
    assert str(port) in ended.stderr
    assert "PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_bad_settings_are_named(tmp_path: Path) -> None:
    ended = run_api(DATABASE_URL="mysql://elsewhere", MAX_SHOTS="many", PORT=str(free_port()))
    assert ended.returncode != 0
    assert "DATABASE_URL" in ended.stderr
    assert "MAX_SHOTS" in ended.stderr
    assert "Traceback" not in ended.stderr


def run_api(**settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the API until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "service.api"],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def exchange(port: int, *parts: bytes) -> bytes:
    """Send bytes to the API and return all that comes back until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 15)
    finally:
        writer.close()


@pytest.mark.parametrize("size", [2 * MEBIBYTE, 20 * MEBIBYTE])
async def test_a_client_that_sends_too_much_gets_to_see_why(ketlog: System, size: int) -> None:
    head = (
        b"POST /tasks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    answer = await exchange(ketlog.api_port, head % size, b"x" * size)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_asks_before_it_sends_too_much_is_refused_at_once(
    ketlog: System,
) -> None:
    answer = await exchange(
        ketlog.api_port,
        b"POST /tasks HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
        b"content-type: application/json\r\ncontent-length: 999999999\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(ketlog: System) -> None:
    body = json.dumps({"circuit": QUICKSTART}).encode()
    answer = await exchange(
        ketlog.api_port,
        b"POST /tasks HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body),
        body,
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")


async def test_answers_do_not_name_the_server_program(ketlog: System) -> None:
    answer = await exchange(
        ketlog.api_port, b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    assert b"uvicorn" not in answer.lower()
    assert b"\r\nserver:" not in answer.lower()


async def test_what_is_no_http_does_not_disturb_others(ketlog: System) -> None:
    answer = await exchange(ketlog.api_port, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    async with Client(ketlog.api_url) as client:
        await client.submit({"circuit": QUICKSTART})


def restarted(process: Process) -> None:
    """Kill a process and start it again."""
    process.kill()
    process.start()


async def test_what_was_accepted_survives_a_kill_of_the_api(ketlog: System) -> None:
    async with Client(ketlog.api_url) as client:
        tasks = await client.submit_all([{"circuit": f"x{number}"} for number in range(50)])
    restarted(ketlog.processes["api"])
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        for task_id in tasks:
            assert (await client.task(task_id))["status"] == "pending"


async def test_pipelined_requests_are_answered_in_order(ketlog: System) -> None:
    body = json.dumps({"circuit": QUICKSTART}).encode()
    post = (
        b"POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )
    look = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answers = await exchange(ketlog.api_port, post + look + last)
    statuses = [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"202", b"200", b"404"]


async def test_a_crowd_of_slow_clients_stops_nobody(ketlog: System) -> None:
    heads = [b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: y", b"P"]
    body = (
        b"POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 6000000\r\n\r\n{"
    )
    slow = []
    for begun in [*heads, body] * 300:
        slow.append((await asyncio.open_connection("127.0.0.1", ketlog.api_port))[1])
        slow[-1].write(begun)
    async with Client(ketlog.api_url, connections=8) as client:
        for _ in range(20):
            for writer in slow:
                writer.write(b"x")
            answer, seconds = await timed(client.post({"circuit": QUICKSTART}))
            assert answer.status_code == 202
            assert seconds < 1
    for writer in slow:
        writer.close()
