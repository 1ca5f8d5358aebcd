"""What the API stands on: probes that see servers go and come back, and the queue's policy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import psycopg
import pytest

from domain.errors import StoreUnavailable
from infrastructure.settings import ApiSettings
from service.api.app import create_app
from service.api.health import Health
from service.api.probes import DatabaseProbe
from service.api.runtime import Runtime
from tests import servers
from tests.support.alarms import alarms_of
from tests.support.api import problem
from tests.support.tasks import QUICKSTART
from tests.support.waiting import eventually

NO_BROKER = "amqp://guest:guest@127.0.0.1:9/"


async def stores() -> None:
    """A rehearsal that succeeds."""


@asynccontextmanager
async def running_api(**settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """The API on its real adapters, in the test's own event loop."""
    chosen = ApiSettings(**settings)
    runtime = Runtime(chosen)
    health = Health(runtime.adapters.database, runtime.adapters.broker)
    app = create_app(chosen, runtime.adapters, health)
    async with (
        runtime.lifespan(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://api") as http,
    ):
        yield http


async def status_is(http: httpx2.AsyncClient, status: str, within: float = 10.0) -> None:
    """Wait until health says this."""

    async def is_so() -> bool:
        return bool((await http.get("/health")).json()["status"] == status)

    await eventually(is_so, within, what=f"health is {status}")


async def test_the_queue_may_go_and_come_back(
    database_url: str, rabbitmq_url: str, rabbitmq_server: servers.BrokerServer
) -> None:
    async with running_api(database_url=database_url, rabbitmq_url=rabbitmq_url) as http:
        await status_is(http, "healthy")
        await asyncio.to_thread(rabbitmq_server.stop)
        await status_is(http, "degraded", within=3)
        body = (await http.get("/health")).json()
        assert (body["database_status"], body["queue_status"]) == ("connected", "disconnected")
        assert (await http.post("/tasks", json={"circuit": QUICKSTART})).status_code == 202
        assert (await http.get("/readyz")).status_code == 200
        await asyncio.to_thread(rabbitmq_server.start)
        await status_is(http, "healthy", within=30)


async def test_a_queue_that_hangs_counts_as_away(
    database_url: str, rabbitmq_url: str, rabbitmq_server: servers.BrokerServer
) -> None:
    settings = {"database_url": database_url, "rabbitmq_url": rabbitmq_url}
    async with running_api(**settings, broker_down_policy="reject") as http:
        await status_is(http, "healthy")
        rabbitmq_server.pause()
        try:
            await status_is(http, "degraded", within=3)
            answer = await http.post("/tasks", json={"circuit": QUICKSTART})
            problem(answer, 503)
            assert answer.headers["retry-after"]
        finally:
            rabbitmq_server.resume()
        await status_is(http, "healthy", within=30)
        assert (await http.post("/tasks", json={"circuit": QUICKSTART})).status_code == 202


async def test_a_broker_without_memory_makes_tasks_wait(
    database_url: str, rabbitmq_url: str, rabbitmq_server: servers.BrokerServer
) -> None:
    accepting = {"database_url": database_url, "rabbitmq_url": rabbitmq_url}
    async with (
        alarms_of(rabbitmq_server) as alarms,
        running_api(**accepting) as http,
        running_api(**accepting, broker_down_policy="reject") as strict,
    ):
        await status_is(http, "healthy")
        await alarms.memory()
        await status_is(http, "degraded", within=3)
        await status_is(strict, "degraded", within=3)
        assert (await http.get("/health")).json()["queue_status"] == "blocked"
        assert "memory or disk" in (await http.get("/readyz")).json()["reasons"][0]
        assert (await http.post("/tasks", json={"circuit": QUICKSTART})).status_code == 202
        problem(await strict.post("/tasks", json={"circuit": QUICKSTART}), 503)
        await alarms.over()
        await status_is(http, "healthy", within=5)


async def test_the_first_health_answer_knows_the_database(database_url: str) -> None:
    async with running_api(database_url=database_url, rabbitmq_url=NO_BROKER) as http:
        assert (await http.get("/health")).json()["status"] == "degraded"


async def test_a_probe_whose_connection_is_cut_connects_again(database_url: str) -> None:
    probe = DatabaseProbe(database_url, stores)
    await probe.start()
    try:
        assert probe.connected
        with psycopg.connect(database_url, autocommit=True) as connection:
            cut = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'ketlog-api-probe' AND datname = current_database()"
            ).fetchone()
        assert cut == (1,)
        await eventually(lambda: not probe.connected, within=3)
        await eventually(lambda: probe.connected, within=3)
        assert probe.reason == ""
    finally:
        await probe.close()


async def test_a_probe_of_a_server_that_hangs_says_so(
    database_url: str, postgres_server: servers.DatabaseServer
) -> None:
    probe = DatabaseProbe(database_url, stores)
    await probe.start()
    try:
        postgres_server.pause()
        await eventually(lambda: not probe.connected, within=3)
        assert "did not answer" in probe.reason
    finally:
        postgres_server.resume()
        await probe.close()


async def test_a_database_that_stores_nothing_is_failing_until_it_does_again(
    database_url: str,
) -> None:
    full: list[Exception] = []

    async def rehearse() -> None:
        if full:
            raise StoreUnavailable("PostgreSQL is away") from full[0]

    probe = DatabaseProbe(database_url, rehearse)
    await probe.start()
    try:
        full.append(asyncpg.DiskFullError("no space left"))
        probe.doubt()
        await eventually(lambda: probe.failing, within=2)
        assert probe.connected
        assert probe.reason == "PostgreSQL's disk is full"
        full.clear()
        await eventually(lambda: not probe.failing, within=3)
        assert probe.reason == ""
    finally:
        await probe.close()


async def test_a_doubt_without_a_reason_changes_nothing(database_url: str) -> None:
    rehearsed = asyncio.Event()

    async def rehearse() -> None:
        rehearsed.set()

    probe = DatabaseProbe(database_url, rehearse)
    await probe.start()
    try:
        probe.doubt()
        await asyncio.wait_for(rehearsed.wait(), 2)
        assert (probe.connected, probe.failing, probe.reason) == (True, False, "")
    finally:
        await probe.close()


@pytest.mark.parametrize("url", ["postgresql://a:b@127.0.0.1:9/x", "postgresql://a:b@[::1]:9/x"])
async def test_a_probe_of_nothing_says_so_without_the_address(url: str) -> None:
    probe = DatabaseProbe(url, stores)
    await probe.start()
    await probe.close()
    assert not probe.connected
    assert probe.reason == "PostgreSQL is away"


async def test_a_probe_that_was_never_started_can_be_closed(database_url: str) -> None:
    probe = DatabaseProbe(database_url, stores)
    await probe.close()
    assert not probe.connected
