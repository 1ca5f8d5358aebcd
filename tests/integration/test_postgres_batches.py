"""Batches and twins on a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import pytest

from infrastructure.postgres.statements import statement
from infrastructure.settings import ApiSettings
from service.api.app import create_app
from service.api.health import Health
from service.api.runtime import Runtime

NO_BROKER = "amqp://guest:guest@127.0.0.1:9/"
KEY = {"Idempotency-Key": "twins"}
TWINS = 64


@asynccontextmanager
async def api_on(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API without a socket on a real database."""
    settings = ApiSettings(
        database_url=database_url, rabbitmq_url=NO_BROKER, request_deadline_seconds=10
    )
    runtime = Runtime(settings)
    app = create_app(
        settings, runtime.adapters, Health(runtime.adapters.database, runtime.adapters.broker)
    )
    transport = httpx2.ASGITransport(app=app)
    async with (
        runtime.lifespan(app),
        httpx2.AsyncClient(transport=transport, base_url="http://api", timeout=60) as http,
    ):
        yield http


@pytest.fixture
async def http(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with api_on(database_url) as made:
        yield made


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def batch(count: int) -> dict[str, Any]:
    return {"tasks": [{"circuit": f"// circuit {place}"} for place in range(count)]}


@pytest.mark.parametrize(
    ("path", "body", "tasks"),
    [
        ("/tasks", {"circuit": "// one"}, 1),
        ("/tasks:batch", batch(20), 20),
        ("/tasks:sweep", {"circuit": "// one", "bindings": [{"a": n} for n in range(20)]}, 20),
    ],
)
async def test_of_many_twins_at_once_one_is_stored(
    database_url: str, owner: asyncpg.Connection, path: str, body: object, tasks: int
) -> None:
    async with api_on(database_url) as here, api_on(database_url) as elsewhere:
        answers = await asyncio.gather(
            *(
                (here, elsewhere)[number % 2].post(path, json=body, headers=KEY)
                for number in range(TWINS)
            )
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None", *["true"] * (TWINS - 1)]
    for table in ("tasks", "events", "outbox"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == tasks


async def test_twins_with_other_bodies_get_one_batch_and_refusals(
    http: httpx2.AsyncClient, owner: asyncpg.Connection
) -> None:
    bodies = [batch(10), batch(11)]
    answers = await asyncio.gather(
        *(http.post("/tasks:batch", json=bodies[n % 2], headers=KEY) for n in range(16))
    )
    assert sorted(answer.status_code for answer in answers) == [202] * 8 + [422] * 8
    assert await owner.fetchval("SELECT count(*) FROM tasks") in {10, 11}


async def test_the_largest_batch_is_one_transaction_found_by_its_index_and_cancelled(
    http: httpx2.AsyncClient, owner: asyncpg.Connection
) -> None:
    answer = await http.post("/tasks:batch", json=batch(1_000))
    assert answer.status_code == 202
    batch_id = answer.json()["batch_id"]
    assert await owner.fetchval("SELECT count(DISTINCT xid) FROM events") == 1
    rows = await owner.fetch("SELECT task_id FROM tasks ORDER BY task_id")
    assert [str(row["task_id"]) for row in rows] == answer.json()["task_ids"]
    shown = await owner.fetch("EXPLAIN " + statement("batch_view"), batch_id, None, 10)
    assert "tasks_of_batch" in "\n".join(row[0] for row in shown)
    status = (await http.get(f"/batches/{batch_id}")).json()
    assert (status["tasks"], status["counts"]["pending"]) == (1_000, 1_000)
    newest = (await http.get(f"/tasks?batch_id={batch_id}&limit=3")).json()["tasks"]
    assert len({task["task_id"] for task in newest} & set(answer.json()["task_ids"])) == 3
    cancelled = (await http.post(f"/batches/{batch_id}/cancel")).json()
    assert (cancelled["cancelled_now"], cancelled["ended"]) == (1_000, True)
    assert await owner.fetchval("SELECT count(*) FROM outbox") == 0
