"""Erasing tasks, over the in-memory store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID, uuid4

import pytest

from domain.codec import recorded
from domain.errors import OutcomeUnknown
from domain.events import TaskErased
from domain.log import Append, AppendResult
from domain.payloads import PayloadKind
from domain.task import Cancel, Compare, Task
from infrastructure.memory.store import MemoryStore
from service.api.models import TaskStatus
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import QUICKSTART, claim, completion, failure, following, load, put

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENDS: dict[str, Callable[[Task], Append]] = {
    "completed": lambda task: completion(task, {"0": 1024}),
    "failed": failure,
    "cancelled": lambda task: following(task, Cancel("no longer needed")),
}


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


async def processing(api: InProcessApi) -> UUID:
    task = await api.accepted({"circuit": QUICKSTART}, **{"X-Correlation-ID": "the submission's"})
    task_id = UUID(task["task_id"])
    await put(api.store, claim(await load(api.store, task_id)))
    return task_id


async def ended(api: InProcessApi, end: str = "completed") -> UUID:
    task_id = await processing(api)
    await put(api.store, ENDS[end](await load(api.store, task_id)))
    return task_id


@pytest.mark.parametrize("end", ENDS)
async def test_a_task_that_has_ended_is_erased_and_says_so(api: InProcessApi, end: str) -> None:
    task_id = await ended(api, end)
    before = (await api.http.get(f"/tasks/{task_id}")).json()
    answer = await api.http.delete(
        f"/tasks/{task_id}/contents", headers={"traceparent": TRACEPARENT}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.store.payload_rows[task_id] == {}
    after = (await api.http.get(f"/tasks/{task_id}")).json()
    TaskStatus.model_validate(after)
    result = ["result"] if end == "completed" else []
    assert after["erased"] == ["circuit", *result]
    kept = {name: value for name, value in before.items() if name not in {"result", "version"}}
    assert kept.items() <= after.items()
    assert after.keys() - kept.keys() == {"version", "erased", "erased_at"}
    last = recorded((await api.store.stream(task_id))[-1])
    assert last.event == TaskErased(tuple(PayloadKind(kind) for kind in after["erased"]))
    assert (last.metadata.correlation_id, last.metadata.actor) == ("the submission's", "api")
    assert last.metadata.traceparent == TRACEPARENT


async def test_what_a_task_was_before_its_erasure_is_marked(api: InProcessApi) -> None:
    task_id = await ended(api)
    await api.http.delete(f"/tasks/{task_id}/contents")
    then = (await api.http.get(f"/tasks/{task_id}?version=3")).json()
    assert (then["status"], then["erased"]) == ("completed", ["result"])
    assert "erased_at" not in then
    page = (await api.http.get(f"/tasks/{task_id}/events")).json()
    assert [event.get("erased") for event in page["events"]] == ["circuit", None, "result", None]
    assert (await api.http.get(f"/tasks/{task_id}/proof?contents=true")).json()["contents"] == []


async def test_to_erase_twice_does_no_harm(api: InProcessApi) -> None:
    task_id = await ended(api)
    answers = await asyncio.gather(
        *(api.http.delete(f"/tasks/{task_id}/contents") for _ in range(8))
    )
    answers.append(await api.http.delete(f"/tasks/{task_id}/contents"))
    assert {answer.status_code for answer in answers} == {204}
    assert len(await api.store.stream(task_id)) == 4


async def test_a_comparison_that_comes_between_is_no_obstacle() -> None:
    class Compared(MemoryStore):
        """A log in which a comparison was noted while the erasure was decided."""

        async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
            erasure = appends[0]
            if isinstance(erasure.event, TaskErased) and len(self.streams[erasure.task_id]) == 3:
                task = await load(self, erasure.task_id)
                await MemoryStore.append(self, [following(task, Compare(0.0, {}, {}))])
            return await MemoryStore.append(self, appends)

    async with in_process_api(store=Compared()) as api:
        task_id = await ended(api)
        assert (await api.http.delete(f"/tasks/{task_id}/contents")).status_code == 204
        types = [stored.type for stored in await api.store.stream(task_id)]
        assert types[3:] == ["ResultReproduced", "TaskErased"]


async def test_a_task_that_has_not_ended_is_kept(api: InProcessApi) -> None:
    pending = UUID((await api.accepted({"circuit": QUICKSTART}))["task_id"])
    for task_id, status in ((pending, "pending"), (await processing(api), "processing")):
        document = problem(await api.http.delete(f"/tasks/{task_id}/contents"), 409)
        assert document["current_status"] == status
        assert f"Cancel it with POST /tasks/{task_id}/cancel" in document["detail"]
        assert list(api.store.payload_rows[task_id]) == ["circuit"]


async def test_an_unknown_task_is_not_found(api: InProcessApi) -> None:
    assert bad_fields(await api.http.delete(f"/tasks/{uuid4()}/contents"), 404) == ["task_id"]
    assert bad_fields(await api.http.delete("/tasks/not-an-id/contents")) == ["task_id"]


async def test_the_retry_of_a_cancellation_is_answered_after_the_erasure(
    api: InProcessApi,
) -> None:
    task_id = await processing(api)
    key = {"Idempotency-Key": "k"}
    first = await api.cancel(task_id, {"reason": "enough"}, **key)
    await api.http.delete(f"/tasks/{task_id}/contents")
    again = await api.cancel(task_id, {"reason": "enough"}, **key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert again.json()["cancel_reason"] == first.json()["cancel_reason"] == "enough"
    assert again.json()["erased"] == ["circuit"]
    assert api.stopped == [("a-worker", task_id)] * 2


async def test_a_database_that_removes_nothing_is_found_out() -> None:
    class WithoutMigration(MemoryStore):
        async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
            kept = {each.task_id: dict(self.payload_rows.get(each.task_id, {})) for each in appends}
            results = await MemoryStore.append(self, appends)
            for task_id, rows in kept.items():
                self.payload_rows[task_id].update(rows)
            return results

    async with in_process_api(store=WithoutMigration()) as api:
        task_id = await ended(api)
        for _ in range(2):
            document = problem(await api.http.delete(f"/tasks/{task_id}/contents"), 503)
            assert "`make migrate`" in document["detail"]


async def test_an_outcome_that_is_not_known_is_told() -> None:
    class Lost:
        async def append(self, _append: Append, _deadline: float | None = None) -> AppendResult:
            raise OutcomeUnknown("the connection broke")

    async with in_process_api() as api, in_process_api(store=api.store, appender=Lost()) as broken:
        task_id = await ended(api)
        answer = await broken.http.delete(f"/tasks/{task_id}/contents")
        document = problem(answer, 503)
        assert (document["outcome"], document["task_id"]) == ("unknown", str(task_id))
        assert answer.headers["retry-after"]
