"""`GET /tasks/{task_id}?wait=`: the answer comes with the task's end, or when the time is over."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx2
import pytest
from prometheus_client import REGISTRY

from domain.errors import StoreUnavailable
from domain.identifiers import uuid7
from domain.log import LoggedEvent
from domain.ports import TaskView
from domain.task import Cancel, Compare
from infrastructure.memory import MemoryStore
from infrastructure.memory.live import MemoryLive
from service.api.live.live import Bounds, Live
from service.api.live.patience import Patience
from service.api.models import TaskStatus
from tests.support import tasks
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.streams import OpenStream, asking
from tests.support.waiting import eventually


class Counted(MemoryLive):
    """Live queries that count the looks."""

    looks = 0

    async def news(self, known: Mapping[UUID, int], limit: int) -> Sequence[LoggedEvent]:
        self.looks += 1
        return await super().news(known, limit)


class Store(MemoryStore):
    """A store whose tasks can be looked at, or not."""

    away = False

    async def view(self, task_id: UUID, tenant: str | None = None) -> TaskView | None:
        if self.away:
            raise StoreUnavailable("not now")
        return await super().view(task_id, tenant)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def live(store: Store) -> Counted:
    return Counted(store)


@pytest.fixture
async def api(store: Store, live: Counted) -> AsyncIterator[InProcessApi]:
    async with in_process_api(store=store, live=live, max_streams=2) as made:
        yield made


def waiting() -> float:
    """How many requests wait."""
    return REGISTRY.get_sample_value("ketlog_readers", {"kind": "wait"}) or 0.0


async def asked(api: InProcessApi, task_id: UUID) -> "asyncio.Task[httpx2.Response]":
    """A request that waits for a task's end."""
    before = waiting()
    request = asyncio.create_task(api.http.get(f"/tasks/{task_id}?wait=30"))
    await eventually(lambda: waiting() == before + 1)
    return request


def status(answer: httpx2.Response) -> dict[str, Any]:
    """The task that an answer shows."""
    assert answer.status_code == 200, answer.text
    TaskStatus.model_validate(answer.json())
    return dict(answer.json())


async def test_the_answer_comes_when_the_task_has_ended(api: InProcessApi) -> None:
    task = await tasks.submitted(api.store)
    request = await asked(api, task.task_id)
    await tasks.put(api.store, tasks.claim(task))
    task = await tasks.load(api.store, task.task_id)
    assert not request.done()
    await tasks.put(api.store, tasks.completion(task, {"0": 1024}))
    shown = status(await request)
    assert (shown["status"], shown["result"]) == ("completed", {"0": 1024})
    assert waiting() == 0


async def test_every_end_is_an_end(api: InProcessApi) -> None:
    running, pending = await tasks.processing(api.store), await tasks.submitted(api.store)
    requests = [await asked(api, task.task_id) for task in (running, pending)]
    await tasks.put(api.store, tasks.failure(running))
    await tasks.put(api.store, tasks.following(pending, Cancel("enough")))
    ends = [status(await request)["status"] for request in requests]
    assert ends == ["failed", "cancelled"]


async def test_a_task_that_has_ended_is_answered_at_once(api: InProcessApi, live: Counted) -> None:
    task = await tasks.processing(api.store)
    await tasks.put(api.store, tasks.completion(task, {"0": 1024}))
    assert status(await api.http.get(f"/tasks/{task.task_id}?wait=60"))["status"] == "completed"
    note = Compare(0.0, {}, {"seed": 7})
    await tasks.put(api.store, tasks.following(await tasks.load(api.store, task.task_id), note))
    assert status(await api.http.get(f"/tasks/{task.task_id}?wait=60"))["version"] == 4
    assert live.looks == 0


async def test_a_task_as_it_was_is_shown_at_once(api: InProcessApi, live: Counted) -> None:
    task = await tasks.processing(api.store)
    for moment in ("version=1", "as_of=2999-01-01T00:00:00Z"):
        shown = await api.http.get(f"/tasks/{task.task_id}?wait=60&{moment}")
        assert status(shown)["status"] in {"pending", "processing"}
    assert live.looks == 0


async def test_when_the_time_is_over_the_answer_shows_the_task_as_it_stands(store: Store) -> None:
    task = await tasks.submitted(store)
    pending = await store.view(task.task_id)
    assert pending is not None
    patience = Patience(Live(MemoryLive(store), Bounds(1, 1, 1.0, 60)), store, 1.0)
    await tasks.put(store, tasks.claim(task))
    client = OpenStream()
    view = await patience.view_at_end(pending, 0.01, {}, client.receive)
    assert (view.status, view.version) == ("processing", 2)


async def test_without_waiting_nothing_is_looked_for(api: InProcessApi, live: Counted) -> None:
    task = await tasks.submitted(api.store)
    for query in ("", "?wait=0"):
        shown = status(await api.http.get(f"/tasks/{task.task_id}{query}"))
        assert shown["status"] == "pending"
    assert live.looks == 0


async def test_who_waits_is_answered_when_the_process_drains(api: InProcessApi) -> None:
    request = await asked(api, (await tasks.processing(api.store)).task_id)
    api.health.leave()
    assert status(await request)["status"] == "processing"


async def test_when_it_cannot_be_known_the_answer_says_so(api: InProcessApi, store: Store) -> None:
    request = await asked(api, (await tasks.submitted(api.store)).task_id)
    store.away = True
    api.health.leave()
    answer = await request
    assert problem(answer, 503)["type"] == "urn:ketlog:problem:store-unavailable"
    assert int(answer.headers["retry-after"]) >= 1


async def test_one_request_too_many_is_refused_at_once(api: InProcessApi) -> None:
    task = await tasks.submitted(api.store)
    requests = [await asked(api, task.task_id) for _ in range(2)]
    refused = await api.http.get(f"/tasks/{task.task_id}?wait=1")
    assert problem(refused, 503)["type"] == "urn:ketlog:problem:too-many-streams"
    await tasks.put(api.store, tasks.following(task, Cancel("enough")))
    for request in requests:
        assert status(await request)["status"] == "cancelled"


async def test_who_hangs_up_is_not_waited_for(api: InProcessApi) -> None:
    task = await tasks.submitted(api.store)
    async with asking(api.app, f"/tasks/{task.task_id}?wait=30") as client:
        await eventually(lambda: waiting() == 1)
        client.hang_up()
        await client.done()
    assert (waiting(), client.status) == (0, 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("wait=61", "wait"),
        ("wait=-1", "wait"),
        ("wait=soon", "wait"),
        ("wait=", "wait"),
        ("wait=1&wait=2", "wait"),
        ("waits=1", "waits"),
    ],
)
async def test_a_wait_that_makes_no_sense_is_refused(
    api: InProcessApi, query: str, field: str
) -> None:
    assert bad_fields(await api.http.get(f"/tasks/{uuid7()}?{query}")) == [field]


async def test_who_waits_for_nothing_is_told_so(api: InProcessApi) -> None:
    problem(await api.http.get(f"/tasks/{uuid7()}?wait=30"), 404)
