"""Submitting tasks and looking at them, over the in-memory store."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest

from domain.errors import AppendRefused, OutcomeUnknown, StoreUnavailable
from domain.execution import RunOptions
from domain.identifiers import task_id_for_key
from domain.log import Append, AppendResult, Conflict
from domain.payloads import Payload, PayloadKind
from domain.ports import TaskView
from domain.status import Status
from domain.task import Cancel, Complete
from service.api.models import TaskStatus, TaskSubmitted
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import (
    QUICKSTART,
    claim,
    completion,
    erased,
    failure,
    following,
    load,
    put,
)

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_AS_UUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


async def test_a_submission_is_answered_as_the_quickstart_says(api: InProcessApi) -> None:
    answer = await api.submit({"circuit": QUICKSTART})
    assert answer.status_code == 202
    body = answer.json()
    assert list(body) == ["task_id", "submitted_at", "message", "correlation_id"]
    TaskSubmitted.model_validate(body)
    assert body["message"] == "Task submitted successfully."
    assert MOMENT.fullmatch(body["submitted_at"])
    assert UUID(body["task_id"]).version == 7
    assert answer.headers["location"] == f"/tasks/{body['task_id']}"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-correlation-id"] == body["correlation_id"]


async def test_a_submission_stores_everything_that_was_asked_for(api: InProcessApi) -> None:
    task = await api.accepted(
        {
            "circuit": "circuit: \x00 \u00e9 \U0001f40d",
            "shots": 7,
            "seed": 2**63 - 1,
            "method": "stabilizer",
            "memory": True,
            "timeout_seconds": 2,
            "measure_all": True,
            "parameters": {"b": [1, [True, 2.5]], "a": -1},
        }
    )
    task_id = UUID(task["task_id"])
    history = (await api.store.histories([task_id]))[task_id]
    stored = await load(api.store, task_id)
    assert stored.options == RunOptions(7, 2**63 - 1, "stabilizer", True, 2.0, True)
    circuit = history.payloads[PayloadKind.CIRCUIT]
    assert circuit.body.decode() == "circuit: \x00 \u00e9 \U0001f40d"
    assert circuit.matches(stored.circuit)
    parameters = history.payloads[PayloadKind.PARAMETERS]
    assert parameters.body == b'{"a":-1,"b":[1,[true,2.5]]}'
    assert stored.parameters is not None
    assert parameters.matches(stored.parameters)
    assert stored.metadata.actor == "api"


async def test_a_submission_wakes_the_relay_once_a_batch(api: InProcessApi) -> None:
    await asyncio.gather(*(api.accepted({"circuit": "x"}) for _ in range(20)))
    assert sum(len(batch) for batch in api.committed) == 20
    assert len(api.committed) < 20


async def test_a_circuit_of_the_full_size_is_accepted_however_it_is_escaped(
    api: InProcessApi,
) -> None:
    circuit = "h q[0];\n" * (1024 * 1024 // 8)
    task_id = UUID((await api.accepted({"circuit": circuit}))["task_id"])
    stored = (await api.store.histories([task_id]))[task_id].payloads[PayloadKind.CIRCUIT]
    assert stored.body.decode() == circuit


async def test_a_body_may_arrive_in_pieces(api: InProcessApi) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"circ', b'uit": ', b'"x"}'):
            yield piece

    answer = await api.http.post(
        "/tasks",
        content=pieces(),
        headers={
            "Content-Type": 'Application/JSON; charset="UTF-8"',
            "Transfer-Encoding": "chunked",
        },
    )
    assert answer.status_code == 202


async def test_a_pending_task_looks_as_the_quickstart_says(api: InProcessApi) -> None:
    submitted = await api.accepted({"circuit": QUICKSTART})
    answer = await api.http.get(f"/tasks/{submitted['task_id']}")
    assert answer.status_code == 200
    body = answer.json()
    TaskStatus.model_validate(body)
    assert body == {
        "task_id": submitted["task_id"],
        "status": "pending",
        "submitted_at": submitted["submitted_at"],
        "status_history": [
            {
                "status": "pending",
                "transitioned_at": submitted["submitted_at"],
                "notes": "Task created",
            }
        ],
        "correlation_id": submitted["correlation_id"],
        "shots": 1024,
        "attempt": 0,
        "version": 1,
    }
    assert answer.headers["cache-control"] == "no-store"


async def test_a_completed_task_shows_counts_history_and_execution(api: InProcessApi) -> None:
    task_id = UUID((await api.accepted({"circuit": QUICKSTART}))["task_id"])
    await put(api.store, claim(await load(api.store, task_id)))
    await put(api.store, completion(await load(api.store, task_id), {"0": 500, "1": 524}))
    body = (await api.http.get(f"/tasks/{task_id}")).json()
    TaskStatus.model_validate(body)
    assert body["status"] == "completed"
    assert body["result"] == {"0": 500, "1": 524}
    assert body["execution"] == {"seed": 7}
    assert body["attempt"] == 1
    assert [(line["status"], line["notes"]) for line in body["status_history"]] == [
        ("pending", "Task created"),
        ("processing", "Worker started processing"),
        ("completed", "Task completed successfully"),
    ]
    assert body["started_at"] == body["status_history"][1]["transitioned_at"]
    assert body["completed_at"] == body["status_history"][2]["transitioned_at"]
    assert not {"error_code", "error_message", "memory"} & set(body)


async def test_memory_is_shown_where_it_was_kept(api: InProcessApi) -> None:
    task_id = UUID((await api.accepted({"circuit": "x", "shots": 2, "memory": True}))["task_id"])
    await put(api.store, claim(await load(api.store, task_id)))
    task = await load(api.store, task_id)
    result = Payload(PayloadKind.RESULT, b'{"0":1,"1":1}')
    memory = Payload(PayloadKind.MEMORY, b'["1","0"]')
    done = Complete(task.attempt, result.commitment(), {}, memory.commitment())
    await put(api.store, following(task, done, result, memory))
    body = (await api.http.get(f"/tasks/{task_id}")).json()
    TaskStatus.model_validate(body)
    assert body["memory"] == ["1", "0"]


async def test_a_failed_task_says_why_and_where(api: InProcessApi) -> None:
    task_id = UUID((await api.accepted({"circuit": "test"}))["task_id"])
    await put(api.store, claim(await load(api.store, task_id)))
    await put(api.store, failure(await load(api.store, task_id), message='no "circuit" \u2026'))
    body = (await api.http.get(f"/tasks/{task_id}")).json()
    TaskStatus.model_validate(body)
    assert body["status"] == "failed"
    assert body["error_code"] == "parse_error"
    assert body["error_message"] == 'line 1, column 2: no "circuit" \u2026'
    assert "result" not in body


async def test_a_cancelled_task_has_an_end_and_no_result(api: InProcessApi) -> None:
    task_id = UUID((await api.accepted({"circuit": "x"}))["task_id"])
    await put(api.store, following(await load(api.store, task_id), Cancel("not needed")))
    body = (await api.http.get(f"/tasks/{task_id}")).json()
    TaskStatus.model_validate(body)
    assert body["status"] == "cancelled"
    assert "completed_at" in body
    assert "result" not in body


async def test_a_task_id_is_found_in_capitals_too(api: InProcessApi) -> None:
    task_id = (await api.accepted({"circuit": "x"}))["task_id"]
    body = (await api.http.get(f"/tasks/{task_id.upper()}")).json()
    assert body["task_id"] == task_id


async def test_the_same_key_and_body_give_the_same_task_and_answer(api: InProcessApi) -> None:
    body = {"circuit": "x", "shots": 5, "parameters": {"a": 1, "b": 2}}
    first = await api.submit(body, **{"Idempotency-Key": "a key", "X-Correlation-ID": "first"})
    reordered = {"parameters": {"b": 2, "a": 1}, "shots": 5, "circuit": "x"}
    again = await api.submit(reordered, **{"Idempotency-Key": "a key"})
    assert first.status_code == again.status_code == 202
    assert first.content == again.content
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["correlation_id"] == "first"
    assert again.headers["x-correlation-id"] != "first"
    assert UUID(first.json()["task_id"]) == task_id_for_key("", "a key")


async def test_the_same_key_gives_the_first_answer_after_the_task_has_ended(
    api: InProcessApi,
) -> None:
    first = await api.submit({"circuit": "x"}, **{"Idempotency-Key": "k"})
    task_id = UUID(first.json()["task_id"])
    await put(api.store, claim(await load(api.store, task_id)))
    await put(api.store, completion(await load(api.store, task_id), {"0": 1024}))
    again = await api.submit({"circuit": "x"}, **{"Idempotency-Key": "k"})
    assert again.content == first.content


@pytest.mark.parametrize(
    "other",
    [
        {"circuit": "y"},
        {"circuit": "x", "shots": 2},
        {"circuit": "x", "seed": 1},
        {"circuit": "x", "memory": True},
        {"circuit": "x", "parameters": {"a": 1}},
        {"circuit": "x", "name": "other"},
        {"circuit": "x", "tags": {"a": "1"}},
        {"circuit": "x", "priority": "high"},
        {"circuit": "x", "not_before": "2020-01-01T00:00:00Z"},
    ],
)
async def test_the_same_key_with_another_body_is_refused(
    api: InProcessApi, other: dict[str, object]
) -> None:
    first = await api.accepted({"circuit": "x"}, **{"Idempotency-Key": "k"})
    answer = await api.submit(other, **{"Idempotency-Key": "k"})
    assert bad_fields(answer) == ["Idempotency-Key"]
    assert answer.json()["task_id"] == first["task_id"]


async def test_a_key_whose_content_was_erased_cannot_be_repeated(api: InProcessApi) -> None:
    first = await api.accepted({"circuit": "x"}, **{"Idempotency-Key": "k"})
    task_id = UUID(first["task_id"])
    await api.cancel(task_id)
    await erased(api.store, task_id)
    for body in ({"circuit": "x"}, {"circuit": "y"}):
        answer = await api.submit(body, **{"Idempotency-Key": "k"})
        assert bad_fields(answer, 410) == ["Idempotency-Key"]
        assert answer.json()["task_id"] == first["task_id"]
    assert len(api.store.streams) == 1


async def test_concurrent_twins_become_one_task(api: InProcessApi) -> None:
    answers = await asyncio.gather(
        *(api.submit({"circuit": "x"}, **{"Idempotency-Key": "twins"}) for _ in range(64))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer for answer in answers if "idempotency-replayed" in answer.headers]
    assert len(replayed) == 63
    assert len(api.store.streams) == 1


async def test_a_correlation_id_of_the_client_is_kept_with_the_task(api: InProcessApi) -> None:
    chosen = 'order "66" \\ ~'
    task = await api.accepted(
        {"circuit": "x"}, **{"X-Correlation-ID": chosen, "traceparent": TRACEPARENT}
    )
    assert task["correlation_id"] == chosen
    look = await api.http.get(f"/tasks/{task['task_id']}", headers={"X-Correlation-ID": "mine"})
    assert look.json()["correlation_id"] == chosen
    assert look.headers["x-correlation-id"] == "mine"
    stored = await load(api.store, UUID(task["task_id"]))
    assert stored.metadata.traceparent == TRACEPARENT


async def test_without_a_correlation_id_it_is_the_trace_id(api: InProcessApi) -> None:
    task = await api.accepted({"circuit": "x"}, traceparent=TRACEPARENT)
    assert task["correlation_id"] == TRACE_AS_UUID


@pytest.mark.parametrize(
    "traceparent", ["", "00-0-0-0", TRACEPARENT.upper(), TRACEPARENT.replace("4bf9", "zzzz")]
)
async def test_a_traceparent_that_is_not_valid_is_ignored(
    api: InProcessApi, traceparent: str
) -> None:
    task = await api.accepted({"circuit": "x"}, traceparent=traceparent)
    stored = await load(api.store, UUID(task["task_id"]))
    assert stored.metadata.traceparent != traceparent
    assert UUID(hex=stored.metadata.traceparent[3:35]) == UUID(task["correlation_id"])


class FailingAppender:
    """An appender whose every append ends the same way."""

    def __init__(self, outcome: Exception | None) -> None:
        self.outcome = outcome

    async def append(self, append: Append, deadline: float | None = None) -> AppendResult:
        assert deadline is not None
        if self.outcome is not None:
            raise self.outcome
        return Conflict(append.task_id, 0, 1)


async def test_a_store_that_is_away_is_a_503_that_says_when_to_retry() -> None:
    async with in_process_api(appender=FailingAppender(StoreUnavailable("away"))) as api:
        answer = await api.submit({"circuit": "x"})
        problem(answer, 503)
        assert 1 <= int(answer.headers["retry-after"]) <= 5


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
async def test_an_unknown_outcome_names_the_task(key: dict[str, str]) -> None:
    async with in_process_api(appender=FailingAppender(OutcomeUnknown("broke"))) as api:
        answer = await api.submit({"circuit": "x"}, **key)
        document = problem(answer, 503)
        assert document["outcome"] == "unknown"
        assert UUID(document["task_id"])
        assert "retry-after" in answer.headers
        if key:
            assert document["task_id"] == str(task_id_for_key("", "k"))


@pytest.mark.parametrize("outcome", [AppendRefused("secret row"), None, RuntimeError("secret")])
async def test_a_fault_of_the_service_is_a_500_without_internals(
    outcome: Exception | None,
) -> None:
    async with in_process_api(appender=FailingAppender(outcome)) as api:
        answer = await api.submit({"circuit": "x"})
        problem(answer, 500)
        assert "secret" not in answer.text


async def test_a_fault_while_the_database_is_unusable_says_that() -> None:
    async with in_process_api(appender=FailingAppender(RuntimeError("no such role"))) as api:
        api.database.connected, api.database.reason = False, "the schema is not there"
        document = problem(await api.submit({"circuit": "x"}), 503)
        assert "the schema is not there" in document["detail"]


class HangingQueries:
    """Queries that never answer."""

    async def view(self, task_id: UUID, tenant: str | None = None) -> TaskView | None:  # noqa: ARG002
        await asyncio.get_running_loop().create_future()
        return None


async def test_a_status_read_that_hangs_is_a_503() -> None:
    async with in_process_api(queries=HangingQueries(), request_deadline_seconds=0.05) as api:
        answer = await api.http.get("/tasks/550e8400-e29b-41d4-a716-446655440000")
        problem(answer, 503)
        assert "retry-after" in answer.headers


async def test_with_the_broker_away_tasks_are_accepted(api: InProcessApi) -> None:
    api.broker.connected = False
    await api.accepted({"circuit": "x"})


async def test_with_the_broker_away_tasks_are_refused_where_that_is_the_policy() -> None:
    async with in_process_api(broker_down_policy="reject") as api:
        await api.accepted({"circuit": "x"})
        api.broker.connected = False
        answer = await api.submit({"circuit": "x"})
        problem(answer, 503)
        assert "retry-after" in answer.headers
        assert len(api.committed) == 1


class SlowAppender:
    """An appender that waits for a signal."""

    def __init__(self) -> None:
        self.waiting = 0
        self.go = asyncio.Event()

    async def append(self, append: Append, deadline: float | None = None) -> AppendResult:  # noqa: ARG002
        self.waiting += 1
        await self.go.wait()
        raise StoreUnavailable("away")


async def test_more_requests_than_fit_are_refused_at_once() -> None:
    slow = SlowAppender()
    async with in_process_api(appender=slow, max_requests_in_flight=3) as api:
        waiting = [asyncio.create_task(api.submit({"circuit": "x"})) for _ in range(3)]
        while slow.waiting < 3:
            await asyncio.sleep(0)
        answer = await api.submit({"circuit": "x"})
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert (await api.http.get("/health")).status_code == 200
        slow.go.set()
        await asyncio.gather(*waiting)
        problem(await api.submit({"circuit": "x"}), 503)
        assert slow.waiting == 4


async def test_bodies_in_flight_are_bounded_by_their_size_too() -> None:
    slow = SlowAppender()
    async with in_process_api(appender=slow) as api:
        large = json.dumps({"circuit": "x" * 1_000_000}).encode()
        waiting = [asyncio.create_task(api.submit_bytes(large)) for _ in range(100)]

        def refused() -> list[httpx2.Response]:
            return [task.result() for task in waiting if task.done()]

        while slow.waiting + len(refused()) < 100:
            await asyncio.sleep(0)
        assert slow.waiting == 67
        assert all(answer.headers["retry-after"] == "1" for answer in refused())
        slow.go.set()
        await asyncio.gather(*waiting)


async def test_the_store_says_which_status_it_is() -> None:
    assert {status.value for status in Status} == set(
        TaskStatus.model_json_schema()["$defs"]["Status"]["enum"]
    )
