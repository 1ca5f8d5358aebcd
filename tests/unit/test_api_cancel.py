"""Cancelling tasks, over the in-memory store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.codec import recorded
from domain.errors import OutcomeUnknown
from domain.events import RequeueReason, TaskCancelled
from domain.log import Append, AppendResult, RecordedEvent
from domain.ports import EventLog
from domain.status import Status
from domain.task import Cancel, GiveUp, Task
from infrastructure.memory.store import MemoryStore
from service.api import cancel as module
from service.api.lookup import load_task
from service.api.models import TaskStatus
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import QUICKSTART, claim, completion, failure, following, load, put

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


async def pending(api: InProcessApi) -> UUID:
    return UUID((await api.accepted({"circuit": QUICKSTART}))["task_id"])


async def processing(api: InProcessApi, worker_id: str = "worker-7") -> UUID:
    task_id = await pending(api)
    await put(api.store, claim(await load(api.store, task_id), worker_id))
    return task_id


async def cancellations(api: InProcessApi, task_id: UUID) -> int:
    events = map(recorded, await api.store.stream(task_id))
    return sum(isinstance(event.event, TaskCancelled) for event in events)


async def test_a_pending_task_ends_and_is_shown(api: InProcessApi) -> None:
    task_id = await pending(api)
    answer = await api.cancel(task_id, {"reason": "the calibration was wrong"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    TaskStatus.model_validate(body)
    assert body["status"] == "cancelled"
    assert body["completed_at"] == body["status_history"][-1]["transitioned_at"]
    assert body["status_history"][-1]["notes"] == "Task cancelled"
    assert body["cancel_reason"] == "the calibration was wrong"
    assert "error_message" not in body
    assert body == (await api.http.get(f"/tasks/{task_id}")).json()
    assert await api.store.choose(10) == []
    assert api.stopped == []


@pytest.mark.parametrize("body", [None, {}, {"reason": None}, {"reason": ""}])
async def test_no_reason_need_be_given(api: InProcessApi, body: object) -> None:
    task_id = await pending(api)
    answer = await api.cancel(task_id, body)
    assert answer.status_code == 200
    assert "cancel_reason" not in answer.json()


async def test_the_worker_of_a_running_task_is_told(api: InProcessApi) -> None:
    task_id = await processing(api, "worker-7")
    body = (await api.cancel(task_id)).json()
    assert (body["status"], body["attempt"], body["version"]) == ("cancelled", 1, 3)
    assert "started_at" in body
    assert api.stopped == [("worker-7", task_id)]
    assert await api.store.renew("worker-7", [task_id], 60) == set()


async def test_the_event_names_who_asked_and_what_for(api: InProcessApi) -> None:
    submitted = await api.accepted({"circuit": "x"}, **{"X-Correlation-ID": "the submission's"})
    task_id = UUID(submitted["task_id"])
    answer = await api.cancel(task_id, **{"X-Correlation-ID": "mine", "traceparent": TRACEPARENT})
    assert answer.headers["x-correlation-id"] == "mine"
    assert answer.json()["correlation_id"] == "the submission's"
    first, last = map(recorded, await api.store.stream(task_id))
    assert last.metadata.correlation_id == "the submission's"
    assert last.metadata.causation_id == first.event_id
    assert last.metadata.actor == "api"
    assert last.metadata.traceparent == TRACEPARENT


async def test_a_reason_is_kept_in_a_form_that_any_terminal_can_show(api: InProcessApi) -> None:
    answer = await api.cancel(await pending(api), {"reason": "näh\x1b[31m\x00"})
    assert answer.json()["cancel_reason"] == r"näh\x1b[31m\x00"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_a_task_that_has_ended_is_not_cancelled(api: InProcessApi, status: str) -> None:
    task_id = await processing(api)
    task = await load(api.store, task_id)
    ends = {
        "completed": completion(task, {"0": 1024}),
        "failed": failure(task),
        "cancelled": following(task, Cancel("no longer needed")),
    }
    await put(api.store, ends[status])
    before = await api.store.stream(task_id)
    document = problem(await api.cancel(task_id), 409)
    assert document["current_status"] == status
    assert document["task_id"] == str(task_id)
    assert f"is {status}" in document["detail"]
    assert await api.store.stream(task_id) == before
    assert api.stopped == []


async def test_an_unknown_task_is_not_found(api: InProcessApi) -> None:
    assert bad_fields(await api.cancel(uuid4()), 404) == ["task_id"]
    assert bad_fields(await api.cancel("not-an-id", {"reason": "x"})) == ["task_id"]


async def test_a_retry_with_the_same_key_is_answered_again(api: InProcessApi) -> None:
    task_id = await processing(api)
    first = await api.cancel(task_id, {"reason": "enough"}, **{"Idempotency-Key": "k"})
    again = await api.cancel(task_id, {"reason": "enough"}, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert await cancellations(api, task_id) == 1


async def test_a_retry_with_another_body_or_key_is_refused(api: InProcessApi) -> None:
    task_id = await pending(api)
    await api.cancel(task_id, {"reason": "enough"}, **{"Idempotency-Key": "k"})
    other_body = await api.cancel(task_id, {"reason": "more"}, **{"Idempotency-Key": "k"})
    assert bad_fields(other_body) == ["Idempotency-Key"]
    other_key = await api.cancel(task_id, {"reason": "enough"}, **{"Idempotency-Key": "l"})
    assert problem(other_key, 409)["current_status"] == "cancelled"
    bad_key = await api.cancel(task_id, {"reason": "enough"}, **{"Idempotency-Key": "k" * 256})
    assert bad_fields(bad_key, 400) == ["Idempotency-Key"]


async def test_one_key_serves_for_many_tasks(api: InProcessApi) -> None:
    for task_id in (await pending(api), await pending(api)):
        answer = await api.cancel(task_id, **{"Idempotency-Key": "k"})
        assert answer.status_code == 200
        assert "idempotency-replayed" not in answer.headers


async def test_twins_at_the_same_time_cancel_once(api: InProcessApi) -> None:
    task_id = await pending(api)
    twins = [api.cancel(task_id, **{"Idempotency-Key": "k"}) for _ in range(8)]
    assert {answer.status_code for answer in await asyncio.gather(*twins)} == {200}
    assert await cancellations(api, task_id) == 1


class Racing:
    """An appender that lets something else happen to a task before it is cancelled.

    Attributes:
        store: where appends go; the API's own.
        times: how often that happens.
    """

    def __init__(self, happens: Callable[[Task], Append], times: int = 1) -> None:
        self.store = MemoryStore()
        self.times = times
        self._happens = happens

    async def append(self, append: Append, deadline: float | None = None) -> AppendResult:
        """Store what races first."""
        assert deadline is not None
        if isinstance(append.event, TaskCancelled) and self.times:
            self.times -= 1
            await put(self.store, self._happens(await load(self.store, append.task_id)))
        (result,) = await self.store.append([append])
        return result


@asynccontextmanager
async def raced_api(racing: Racing, **settings: Any) -> AsyncIterator[InProcessApi]:
    async with in_process_api(appender=racing, **settings) as api:
        racing.store = api.store
        yield api


def claimed(task: Task) -> Append:
    return claim(task, "worker-7")


def completed(task: Task) -> Append:
    return completion(task, {"0": 1024})


def moved(task: Task) -> Append:
    """Claimed or handed back, whichever can be."""
    back = GiveUp(1, RequeueReason.HANDED_BACK, "a long circuit is in the way")
    return claim(task) if task.status is Status.PENDING else following(task, back)


async def test_a_claim_that_is_faster_is_cancelled_with_its_run() -> None:
    async with raced_api(Racing(claimed)) as api:
        task_id = await pending(api)
        answer = await api.cancel(task_id)
        assert [entry["status"] for entry in answer.json()["status_history"]] == [
            "pending",
            "processing",
            "cancelled",
        ]
        assert api.stopped == [("worker-7", task_id)]


async def test_a_result_that_is_faster_stands() -> None:
    async with raced_api(Racing(completed)) as api:
        task_id = await processing(api)
        assert problem(await api.cancel(task_id), 409)["current_status"] == "completed"
        assert (await load(api.store, task_id)).status is Status.COMPLETED
        assert api.stopped == []


async def test_a_task_that_moves_some_times_is_cancelled_in_the_end() -> None:
    async with raced_api(Racing(moved, times=5)) as api:
        task_id = await pending(api)
        answer = await api.cancel(task_id, **{"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["version"]) == (200, 7)
        assert await cancellations(api, task_id) == 1


async def test_a_task_that_never_stands_still_ends_with_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed: list[float] = []

    async def remembered(
        log: EventLog, task_id: UUID, tenant: str | None, seconds: float
    ) -> tuple[Sequence[RecordedEvent], Task]:
        allowed.append(seconds)
        return await load_task(log, task_id, tenant, seconds)

    monkeypatch.setattr(module, "load_task", remembered)
    async with raced_api(Racing(moved, times=10**9), request_deadline_seconds=0.05) as api:
        task_id = await pending(api)
        answer = await api.cancel(task_id)
        assert problem(answer, 503)["type"].endswith("store-unavailable")
        assert "retry-after" in answer.headers
        assert await cancellations(api, task_id) == 0
    # Each look has what the ones before it have left.
    assert 0.05 >= allowed[0] > allowed[-1] > 0


class Doubtful(Racing):
    """An appender whose answer to a cancellation gets lost, after it was stored or before."""

    def __init__(self, *, stores: bool) -> None:
        super().__init__(claimed, times=0)
        self._stores = stores

    async def append(self, append: Append, deadline: float | None = None) -> AppendResult:
        """Raise `OutcomeUnknown` for the first cancellation."""
        assert deadline is not None
        doubtful = isinstance(append.event, TaskCancelled) and self.times == 0
        if not doubtful or self._stores:
            result = (await self.store.append([append]))[0]
        if doubtful:
            self.times = 1
            raise OutcomeUnknown("the test has cut the connection")
        return result


@pytest.mark.parametrize("stores", [True, False])
async def test_an_unknown_outcome_is_said_and_settled_by_the_retry(stores: bool) -> None:
    doubtful = Doubtful(stores=stores)
    async with in_process_api(appender=doubtful) as api:
        doubtful.store = api.store
        task_id = await processing(api)
        lost = await api.cancel(task_id, **{"Idempotency-Key": "k"})
        document = problem(lost, 503)
        assert (document["outcome"], document["task_id"]) == ("unknown", str(task_id))
        assert "same Idempotency-Key" in document["detail"]
        retry = await api.cancel(task_id, **{"Idempotency-Key": "k"})
        assert retry.status_code == 200
        assert ("idempotency-replayed" in retry.headers) is stores
        assert await cancellations(api, task_id) == 1


async def test_a_retry_tells_the_worker_again() -> None:
    doubtful = Doubtful(stores=True)
    async with in_process_api(appender=doubtful) as api:
        doubtful.store = api.store
        task_id = await processing(api, "worker-7")
        await api.cancel(task_id, **{"Idempotency-Key": "k"})
        assert api.stopped == []
        await api.cancel(task_id, **{"Idempotency-Key": "k"})
        assert api.stopped == [("worker-7", task_id)]


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        (b'{"reason": 7}', {}, 422, "reason"),
        (b'{"why": "x"}', {}, 422, "why"),
        (b'{"reason": "%s"}' % (b"x" * 501), {}, 422, "reason"),
        (b"[]", {}, 422, "body"),
        (b"{", {}, 400, "body"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "Content-Type"),
        (b" " * 70_000, {}, 413, "body"),
    ],
)
async def test_a_body_that_cannot_be_used_changes_nothing(
    api: InProcessApi, body: bytes, headers: dict[str, str], status: int, field: str
) -> None:
    task_id = await pending(api)
    answer = await api.http.post(
        f"/tasks/{task_id}/cancel",
        content=body,
        headers={"Content-Type": "application/json"} | headers,
    )
    assert bad_fields(answer, status) == [field]
    assert (await load(api.store, task_id)).status is Status.PENDING


async def test_a_full_house_cancels_nothing() -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    class Slow(Racing):
        async def append(self, append: Append, deadline: float | None = None) -> AppendResult:
            if isinstance(append.event, TaskCancelled):
                asked.set()
                await answered.wait()
            return await super().append(append, deadline)

    async with raced_api(Slow(claimed, times=0), max_requests_in_flight=1) as api:
        first, second = await pending(api), await pending(api)
        busy = asyncio.create_task(api.cancel(first))
        await asyncio.wait_for(asked.wait(), 5)
        assert problem(await api.cancel(second), 503)["type"].endswith("overloaded")
        answered.set()
        assert (await busy).status_code == 200
    assert (await load(api.store, second)).status is Status.PENDING
