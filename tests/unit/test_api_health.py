"""Health, readiness, and what web pages may do."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from domain.identifiers import uuid7
from domain.ports import TaskView
from service.api.models import Health, Probe
from tests.support.api import InProcessApi, in_process_api, problem


class HangingQueries:
    """A projection that never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def view(self, _task_id: UUID, _tenant: str | None = None) -> TaskView | None:
        self.asked.set()
        await asyncio.Event().wait()
        return None


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


@pytest.mark.parametrize(
    ("database", "queue", "status"),
    [
        ("connected", "connected", "healthy"),
        ("connected", "blocked", "degraded"),
        ("connected", "disconnected", "degraded"),
        ("failing", "connected", "unhealthy"),
        ("disconnected", "connected", "unhealthy"),
        ("disconnected", "disconnected", "unhealthy"),
    ],
)
async def test_health_is_always_200_and_says_how_it_is(
    api: InProcessApi, database: str, queue: str, status: str
) -> None:
    api.database.connected, api.database.failing = database != "disconnected", database == "failing"
    api.broker.connected, api.broker.blocked = queue != "disconnected", queue == "blocked"
    answer = await api.http.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    Health.model_validate(body)
    assert body == {
        "status": status,
        "database_status": database,
        "queue_status": queue,
        "timestamp": body["timestamp"],
    }
    assert len(body["timestamp"]) == len("2025-12-28T14:30:00Z")


async def test_a_process_that_answers_is_alive(api: InProcessApi) -> None:
    api.database.connected = api.broker.connected = False
    answer = await api.http.get("/livez")
    assert answer.status_code == 200
    Probe.model_validate(answer.json())


@pytest.mark.parametrize(
    ("connected", "blocked", "reason"),
    [(False, False, "RabbitMQ is away"), (True, True, "RabbitMQ lacks memory or disk")],
)
async def test_it_is_ready_without_the_queue_and_says_what_is_amiss(
    api: InProcessApi, connected: bool, blocked: bool, reason: str
) -> None:
    api.broker.connected, api.broker.blocked = connected, blocked
    answer = await api.http.get("/readyz")
    assert answer.status_code == 200
    (told,) = Probe.model_validate(answer.json()).reasons
    assert reason in told


async def test_a_process_that_is_ready_has_nothing_to_say(api: InProcessApi) -> None:
    assert (await api.http.get("/readyz")).json() == {"status": "ready"}


async def test_it_is_not_ready_without_the_database_and_says_why(api: InProcessApi) -> None:
    api.database.connected, api.database.reason = False, "the schema is not there"
    document = problem(await api.http.get("/readyz"), 503)
    assert document["reasons"] == ["the schema is not there"]


async def test_it_is_not_ready_while_tasks_cannot_be_stored(api: InProcessApi) -> None:
    api.database.failing, api.database.reason = True, "PostgreSQL's disk is full"
    document = problem(await api.http.get("/readyz"), 503)
    assert document["reasons"] == ["PostgreSQL's disk is full"]


async def test_it_is_not_ready_while_it_drains(api: InProcessApi) -> None:
    api.health.draining = True
    document = problem(await api.http.get("/readyz"), 503)
    assert document["reasons"] == ["the process is shutting down"]


async def test_while_it_drains_it_answers_and_asks_clients_to_leave(api: InProcessApi) -> None:
    assert "connection" not in (await api.submit({"circuit": "x"})).headers
    api.health.draining = True
    answer = await api.submit({"circuit": "x"})
    assert answer.status_code == 202
    assert answer.headers["connection"] == "close"


async def test_a_request_that_is_cut_short_by_the_end_is_told_so() -> None:
    queries = HangingQueries()
    async with in_process_api(queries=queries, request_deadline_seconds=60.0) as api:
        asking = asyncio.create_task(api.http.get(f"/tasks/{uuid7()}"))
        await asyncio.wait_for(queries.asked.wait(), 5)
        api.health.draining = True
        asking.cancel()
        answer = await asyncio.wait_for(asking, 5)
    assert problem(answer, 503)["outcome"] == "unknown"
    assert answer.headers["retry-after"]


async def test_head_answers_like_get(api: InProcessApi) -> None:
    assert (await api.http.head("/health")).status_code == 200


ORIGIN = {"Origin": "https://app.example"}


async def test_any_page_may_call_by_default_and_read_the_headers(api: InProcessApi) -> None:
    answer = await api.submit({"circuit": "x"}, **ORIGIN)
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert {"location", "x-correlation-id", "retry-after", "idempotency-replayed"} <= set(exposed)


async def test_problems_can_be_read_by_pages_too(api: InProcessApi) -> None:
    answer = await api.submit({}, **ORIGIN)
    problem(answer, 422)
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_browser_may_ask_first(api: InProcessApi) -> None:
    answer = await api.http.options(
        "/tasks",
        headers=ORIGIN
        | {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, idempotency-key, x-correlation-id",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]


async def test_only_the_listed_origins_may_call() -> None:
    async with in_process_api(cors_origins="https://app.example/, https://other.example") as api:
        allowed = await api.http.get("/health", headers=ORIGIN)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        assert "Origin" in allowed.headers["vary"]
        stranger = await api.http.get("/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers


async def test_no_origin_may_call_where_none_is_listed() -> None:
    async with in_process_api(cors_origins="") as api:
        answer = await api.http.get("/health", headers=ORIGIN)
        assert "access-control-allow-origin" not in answer.headers
