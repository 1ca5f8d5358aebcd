"""Trying tasks again, over the in-memory store."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from domain.errors import OutcomeUnknown
from domain.labels import Labels, Priority
from domain.log import Append, AppendResult
from domain.payloads import PayloadKind
from domain.task import Cancel
from service.api.models import TaskStatus, TaskSubmitted
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import claim, completion, erased, failure, following, load, put

BODY = {
    "circuit": "OPENQASM 3; input float theta; qubit q; rx(theta) q; measure q;",
    "parameters": {"theta": 1.5},
    "shots": 77,
    "seed": 7,
    "method": "statevector",
    "name": "a rotation",
    "tags": {"device": "north"},
    "priority": "high",
    "not_before": "2025-12-28T14:30:00Z",
}
KEY = {"Idempotency-Key": "k"}


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


async def processing(api: InProcessApi) -> UUID:
    task_id = UUID((await api.accepted(BODY))["task_id"])
    await put(api.store, claim(await load(api.store, task_id)))
    return task_id


async def ended(api: InProcessApi, end: str = "failed") -> UUID:
    task_id = await processing(api)
    task = await load(api.store, task_id)
    ends = {
        "completed": completion(task, {"0": 77}),
        "failed": failure(task),
        "cancelled": following(task, Cancel("no longer needed")),
    }
    await put(api.store, ends[end])
    return task_id


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_what_has_ended_is_tried_again_as_a_task_of_its_own(
    api: InProcessApi, end: str
) -> None:
    origin = await ended(api, end)
    before = await api.store.stream(origin)
    answer = await api.retry(origin, **{"X-Correlation-ID": "mine"})
    assert answer.status_code == 202
    TaskSubmitted.model_validate(answer.json())
    task_id = UUID(answer.json()["task_id"])
    assert answer.headers["location"] == f"/tasks/{task_id}"
    assert answer.json()["correlation_id"] == "mine"
    first, again = await load(api.store, origin), await load(api.store, task_id)
    assert again.options == first.options
    assert again.labels == Labels(
        "a rotation", {"device": "north"}, Priority.HIGH, None, None, origin
    )
    assert first.labels.not_before == datetime(2025, 12, 28, 14, 30, tzinfo=UTC)
    status = (await api.http.get(f"/tasks/{task_id}")).json()
    TaskStatus.model_validate(status)
    assert (status["origin"], status["status"]) == (str(origin), "pending")
    assert await api.store.stream(origin) == before


async def test_its_contents_are_copies_with_salts_of_their_own(api: InProcessApi) -> None:
    origin = await ended(api)
    task_id = UUID((await api.retry(origin)).json()["task_id"])
    theirs, mine = api.store.payload_rows[origin], api.store.payload_rows[task_id]
    assert set(mine) == {PayloadKind.CIRCUIT, PayloadKind.PARAMETERS}
    for kind, payload in mine.items():
        assert payload.body == theirs[kind].body
        assert payload.salt != theirs[kind].salt
    task = await load(api.store, task_id)
    assert mine[PayloadKind.CIRCUIT].matches(task.circuit)
    assert task.parameters is not None
    assert mine[PayloadKind.PARAMETERS].matches(task.parameters)


async def test_a_task_that_has_not_ended_is_not_tried_again(api: InProcessApi) -> None:
    document = problem(await api.retry(await processing(api)), 409)
    assert document["current_status"] == "processing"
    assert "can be tried again" in document["detail"]
    assert len(api.store.streams) == 1


async def test_an_erased_task_cannot_be_tried_again(api: InProcessApi) -> None:
    origin = await ended(api)
    await erased(api.store, origin)
    document = problem(await api.retry(origin), 410)
    assert document["task_id"] == str(origin)
    assert document["detail"].endswith("Submit the circuit again.")


async def test_an_unknown_task_and_a_body_are_refused(api: InProcessApi) -> None:
    assert bad_fields(await api.retry(uuid4()), 404) == ["task_id"]
    assert bad_fields(await api.retry("not-an-id")) == ["task_id"]
    origin = await ended(api)
    answer = await api.http.post(f"/tasks/{origin}/retry", json={"shots": 5})
    assert bad_fields(answer) == ["body"]
    assert (await api.http.post(f"/tasks/{origin}/retry", json={})).status_code == 202


async def test_the_same_key_gives_the_same_task_for_ever(api: InProcessApi) -> None:
    origin = await ended(api)
    first = await api.retry(origin, **KEY)
    assert "idempotency-replayed" not in first.headers
    await erased(api.store, origin)
    task_id = UUID(first.json()["task_id"])
    await put(api.store, following(await load(api.store, task_id), Cancel("enough")))
    await erased(api.store, task_id)
    again = await api.retry(origin, **KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.content == first.content


async def test_a_key_that_was_used_otherwise_is_refused(api: InProcessApi) -> None:
    origin, other = await ended(api), await ended(api)
    await api.retry(origin, **KEY)
    assert bad_fields(await api.retry(other, **KEY)) == ["Idempotency-Key"]
    assert bad_fields(await api.submit(BODY, **KEY)) == ["Idempotency-Key"]
    await api.accepted(BODY, **{"Idempotency-Key": "another"})
    refused = await api.retry(origin, **{"Idempotency-Key": "another"})
    assert bad_fields(refused) == ["Idempotency-Key"]


async def test_concurrent_twins_become_one_task(api: InProcessApi) -> None:
    origin = await ended(api)
    answers = await asyncio.gather(*(api.retry(origin, **KEY) for _ in range(64)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(api.store.streams) == 2


async def test_without_a_key_every_request_makes_a_task(api: InProcessApi) -> None:
    origin = await ended(api)
    answers = [await api.retry(origin) for _ in range(2)]
    assert len({answer.json()["task_id"] for answer in answers}) == 2


async def test_an_outcome_that_is_not_known_is_told(api: InProcessApi) -> None:
    class Lost:
        async def append(self, _append: Append, _deadline: float | None = None) -> AppendResult:
            raise OutcomeUnknown("the connection broke")

    origin = await ended(api)
    async with in_process_api(store=api.store, appender=Lost()) as broken:
        document = problem(await broken.retry(origin, **KEY), 503)
        assert document["outcome"] == "unknown"
        assert "same Idempotency-Key" in document["detail"]
