"""Asking why a task waits, over the in-memory store."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from service.api.openapi_queue import TaskQueuePlace
from tests.support.api import InProcessApi, in_process_api, problem
from tests.support.tasks import claim, load, put

BODY = {"circuit": "OPENQASM 3; qubit q; h q; measure q;"}


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


async def test_a_pending_task_shows_place_and_reason(api: InProcessApi) -> None:
    await api.accepted(BODY)
    task_id = (await api.accepted(BODY))["task_id"]
    answer = await api.http.get(f"/tasks/{task_id}/queue")
    assert answer.status_code == 200
    assert answer.json() == {
        "task_id": task_id,
        "status": "pending",
        "position": 2,
        "reason": "turn",
        "detail": "Others go first. It is sent to the workers when its turn comes.",
    }
    TaskQueuePlace.model_validate(answer.json())


async def test_where_tasks_begin_the_start_is_estimated(api: InProcessApi) -> None:
    begun = UUID((await api.accepted(BODY))["task_id"])
    await put(api.store, claim(await load(api.store, begun)))
    task_id = (await api.accepted(BODY))["task_id"]
    shown = (await api.http.get(f"/tasks/{task_id}/queue")).json()
    wait = datetime.fromisoformat(shown["estimated_start"]) - datetime.now(UTC)
    assert wait < timedelta(seconds=5)


async def test_what_runs_shows_its_status_alone(api: InProcessApi) -> None:
    task_id = UUID((await api.accepted(BODY))["task_id"])
    await put(api.store, claim(await load(api.store, task_id)))
    answer = await api.http.get(f"/tasks/{task_id}/queue")
    assert answer.json() == {"task_id": str(task_id), "status": "processing"}


async def test_an_unknown_task_is_not_found(api: InProcessApi) -> None:
    answer = await api.http.get(f"/tasks/{uuid4()}/queue")
    assert problem(answer, 404)["type"].endswith("no-such-task")
