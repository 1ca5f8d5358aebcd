"""Looking at batches and cancelling them, over the in-memory store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import pytest

from domain.codec import recorded
from domain.errors import OutcomeUnknown
from domain.events import TaskCancelled
from domain.log import Append, AppendResult
from infrastructure.memory.store import MemoryStore
from service.api import batch_status
from service.api.batch_models import BatchStatus
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import claim, completion, failure, load, put


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


async def submitted(api: InProcessApi, count: int) -> tuple[str, list[UUID]]:
    body = {"tasks": [{"circuit": f"// {place}"} for place in range(count)]}
    answer = (await api.submit_batch(body, **{"X-Correlation-ID": "the submission's"})).json()
    return answer["batch_id"], list(map(UUID, answer["task_ids"]))


async def claimed(api: InProcessApi, task_id: UUID) -> None:
    await put(api.store, claim(await load(api.store, task_id), "worker-7"))


async def test_a_batch_is_shown_as_it_stands(api: InProcessApi) -> None:
    batch_id, ids = await submitted(api, 3)
    answer = await api.http.get(f"/batches/{batch_id}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    BatchStatus.model_validate(answer.json())
    assert answer.json() == {
        "batch_id": batch_id,
        "tasks": 3,
        "counts": {"pending": 3, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0},
        "ended": False,
        "submitted_at": answer.json()["submitted_at"],
        "correlation_id": "the submission's",
    }
    for task_id in ids:
        await claimed(api, task_id)
    await put(api.store, completion(await load(api.store, ids[0]), {"0": 1024}))
    await put(api.store, failure(await load(api.store, ids[1])))
    running = (await api.http.get(f"/batches/{batch_id}")).json()
    BatchStatus.model_validate(running)
    assert running["counts"] == {
        "pending": 0,
        "processing": 1,
        "completed": 1,
        "failed": 1,
        "cancelled": 0,
    }
    assert "completed_at" not in running
    assert running["failures"] == [
        {
            "task_id": str(ids[1]),
            "error_code": "parse_error",
            "error_message": "line 1, column 2: no circuit",
        }
    ]
    await put(api.store, completion(await load(api.store, ids[2]), {"0": 1024}))
    ended = (await api.http.get(f"/batches/{batch_id}")).json()
    BatchStatus.model_validate(ended)
    assert ended["ended"]
    assert ended["started_at"] <= ended["completed_at"]


async def test_an_unknown_batch_is_not_found(api: InProcessApi) -> None:
    _, ids = await submitted(api, 1)
    for batch_id in (uuid4(), ids[0]):
        assert bad_fields(await api.http.get(f"/batches/{batch_id}"), 404) == ["batch_id"]
        answer = await api.http.post(f"/batches/{batch_id}/cancel")
        assert bad_fields(answer, 404) == ["batch_id"]
    assert bad_fields(await api.http.get("/batches/none")) == ["batch_id"]
    assert bad_fields(await api.http.post("/batches/none/cancel")) == ["batch_id"]


async def test_what_has_not_ended_is_cancelled(
    api: InProcessApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_status, "CANCELLED_AT_A_TIME", 2)
    batch_id, ids = await submitted(api, 7)
    _, others = await submitted(api, 1)
    for task_id in ids[:3]:
        await claimed(api, task_id)
    await put(api.store, completion(await load(api.store, ids[0]), {"0": 1024}))
    answer = await api.http.post(
        f"/batches/{batch_id}/cancel",
        json={"reason": "the calibration was wrong"},
        headers={"X-Correlation-ID": "mine"},
    )
    assert answer.status_code == 200, answer.text
    BatchStatus.model_validate(answer.json())
    assert answer.json()["cancelled_now"] == 6
    assert answer.json()["counts"] == {
        "pending": 0,
        "processing": 0,
        "completed": 1,
        "failed": 0,
        "cancelled": 6,
    }
    assert answer.json()["ended"]
    assert api.stopped == [("worker-7", ids[1]), ("worker-7", ids[2])]
    assert [row.task_id for row in await api.store.choose(10)] == others
    last = recorded((await api.store.stream(ids[5]))[-1])
    assert last.event == TaskCancelled("the calibration was wrong")
    assert (last.metadata.correlation_id, last.metadata.actor) == ("the submission's", "api")
    again = await api.http.post(f"/batches/{batch_id}/cancel")
    assert again.status_code == 200
    assert again.json()["cancelled_now"] == 0
    assert again.json()["counts"] == answer.json()["counts"]


async def test_two_cancellations_at_once_share_the_tasks(api: InProcessApi) -> None:
    batch_id, _ = await submitted(api, 150)
    answers = await asyncio.gather(
        *(api.http.post(f"/batches/{batch_id}/cancel") for _ in range(3))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["cancelled_now"] for answer in answers) == 150
    assert {answer.json()["counts"]["cancelled"] for answer in answers} == {150}


async def test_a_task_that_moves_meanwhile_is_looked_at_again() -> None:
    class Claimed(MemoryStore):
        """A log in which tasks are claimed while their cancellation is decided."""

        async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
            for each in appends:
                if isinstance(each.event, TaskCancelled) and len(self.streams[each.task_id]) == 1:
                    await MemoryStore.append(self, [claim(await load(self, each.task_id))])
            return await MemoryStore.append(self, appends)

    async with in_process_api(store=Claimed()) as api:
        batch_id, ids = await submitted(api, 3)
        answer = (await api.http.post(f"/batches/{batch_id}/cancel")).json()
        assert answer["cancelled_now"] == answer["counts"]["cancelled"] == 3
        assert sorted(api.stopped) == [("a-worker", task_id) for task_id in ids]


async def test_an_outcome_that_is_not_known_is_told(api: InProcessApi) -> None:
    class Lost:
        async def append(self, _append: Append, _deadline: float | None = None) -> AppendResult:
            raise OutcomeUnknown("the connection broke")

    batch_id, _ = await submitted(api, 2)
    async with in_process_api(store=api.store, appender=Lost()) as broken:
        document = problem(await broken.http.post(f"/batches/{batch_id}/cancel"), 503)
        assert (document["outcome"], document["batch_id"]) == ("unknown", batch_id)


async def test_a_bad_reason_is_refused(api: InProcessApi) -> None:
    batch_id, _ = await submitted(api, 1)
    url = f"/batches/{batch_id}/cancel"
    assert bad_fields(await api.http.post(url, json={"reason": 5})) == ["reason"]
    problem(await api.http.post(url, content=b"{", headers={"Content-Type": "text/plain"}), 415)
    assert (await api.http.get(f"/batches/{batch_id}")).json()["counts"]["pending"] == 1
