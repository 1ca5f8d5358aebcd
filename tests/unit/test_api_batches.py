"""Submitting batches, over the in-memory store."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from domain.batches import MAX_BATCH_TASKS
from domain.errors import OutcomeUnknown, StoreUnavailable
from domain.labels import Labels, Priority
from domain.log import Append, Appended
from domain.payloads import PayloadKind
from domain.task import Cancel
from infrastructure.memory.store import MemoryStore
from service.api.backlog import Backlog
from service.api.batch_body import MAX_BATCH_BYTES
from service.api.batch_models import BatchSubmitted
from tests.support.api import JSON, InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import QUICKSTART, erased, following, load, put

KEY = {"Idempotency-Key": "k"}


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api(max_circuit_bytes=10_000, max_shots=5_000) as made:
        yield made


def batch(count: int) -> dict[str, Any]:
    return {"tasks": [{"circuit": f"// circuit {place}"} for place in range(count)]}


async def test_a_batch_becomes_tasks_in_its_order(api: InProcessApi) -> None:
    body = {
        "tasks": [
            {"circuit": "// first", "shots": 7, "seed": 1, "name": "one", "tags": {"n": "1"}},
            {"circuit": "// second", "parameters": {"b": 2, "a": [1.5]}, "priority": "high"},
        ]
    }
    answer = await api.submit_batch(body, **{"X-Correlation-ID": "mine"})
    assert answer.status_code == 202, answer.text
    said = answer.json()
    BatchSubmitted.model_validate(said)
    assert answer.headers["location"] == f"/batches/{said['batch_id']}"
    assert said["message"] == "Batch of 2 tasks submitted successfully."
    assert said["correlation_id"] == "mine"
    assert said["task_ids"] == sorted(said["task_ids"])
    first, second = [await load(api.store, UUID(task_id)) for task_id in said["task_ids"]]
    batch_id = UUID(said["batch_id"])
    assert first.labels == Labels("one", {"n": "1"}, batch_id=batch_id)
    assert second.labels == Labels(priority=Priority.HIGH, batch_id=batch_id)
    assert (first.options.shots, first.options.seed, second.options.shots) == (7, 1, 1024)
    assert await api.content(said["task_ids"][0], PayloadKind.CIRCUIT) == "// first"
    parameters = await api.content(said["task_ids"][1], PayloadKind.PARAMETERS)
    assert parameters == {"a": [1.5], "b": 2}
    assert [len(appends) for appends in api.committed] == [2]
    status = (await api.http.get(f"/tasks/{said['task_ids'][0]}")).json()
    assert status["batch_id"] == said["batch_id"]


async def test_the_largest_batch_is_taken(api: InProcessApi) -> None:
    answer = await api.submit_batch(batch(MAX_BATCH_TASKS))
    assert answer.status_code == 202
    assert len(set(answer.json()["task_ids"])) == MAX_BATCH_TASKS == len(api.store.streams)
    assert bad_fields(await api.submit_batch(batch(MAX_BATCH_TASKS + 1))) == ["tasks"]


async def test_each_bad_task_is_named_and_nothing_is_stored(api: InProcessApi) -> None:
    tasks = batch(6)["tasks"]
    tasks[1] = {"circuit": "x", "shots": 0, "seed": -1}
    tasks[3] = "no task"
    tasks[4] = {"circuit": "x" * 10_001}
    tasks[5] = {"circuit": "x", "shoots": 1}
    answer = await api.submit_batch({"tasks": tasks})
    assert bad_fields(answer) == [
        "tasks.1.shots",
        "tasks.1.seed",
        "tasks.3",
        "tasks.4.circuit",
        "tasks.5.shoots",
    ]
    detail = answer.json()["detail"]
    assert detail.startswith("4 of 6 tasks cannot be taken, and nothing was stored.")
    assert api.store.streams == {}


async def test_every_one_of_a_thousand_bad_tasks_is_named(api: InProcessApi) -> None:
    answer = await api.submit_batch({"tasks": [{"circuit": ""}] * MAX_BATCH_TASKS})
    assert bad_fields(answer) == [f"tasks.{place}.circuit" for place in range(MAX_BATCH_TASKS)]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["tasks"]),
        ({"tasks": []}, ["tasks"]),
        ({"tasks": {"circuit": "x"}}, ["tasks"]),
        ({"tasks": None}, ["tasks"]),
        ({"tasks": [{"circuit": "x"}], "shots": 5, "name": "x"}, ["shots", "name"]),
    ],
)
async def test_a_body_of_another_shape_is_refused(
    api: InProcessApi, body: object, fields: list[str]
) -> None:
    assert bad_fields(await api.submit_batch(body)) == fields


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "The body is empty"),
        (b"[]", "expected '{' at line 1 column 1"),
        (b'{"tasks": [{"circuit": "x"}', "expected ']' at line 1 column 28"),
        (b'{"tasks":\n[{"circuit": "x"} {}]}', "expected ']' at line 2 column 19"),
        (b'{"tasks": [{"circuit": "\xff"}]}', "byte 24 is not UTF-8"),
        (b'{"tasks": [{"circuit": "\\ud800"}]}', "in tasks.0"),
    ],
)
@pytest.mark.parametrize("path", ["/tasks:batch", "/tasks:sweep"])
async def test_what_is_no_json_is_refused_with_its_place(
    api: InProcessApi, path: str, body: bytes, says: str
) -> None:
    sweep = path == "/tasks:sweep"
    if sweep:
        body = body.replace(b'"tasks"', b'"circuit": "x", "bindings"')
        says = says.replace("tasks", "bindings")
    document = problem(await api.http.post(path, content=body, headers=JSON), 400)
    # The place is further to the right there.
    said = [re.sub(r"\d\d", "N", text) if sweep else text for text in (says, document["detail"])]
    assert said[0] in said[1]
    assert document["type"] == "urn:ketlog:problem:malformed-json"
    assert api.store.streams == {}


@pytest.mark.parametrize(
    ("task", "field", "says"),
    [
        ({"circuit": "x" * 9_000_000}, "tasks.1", "must have at most"),
        (
            {"circuit": "x", "parameters": {"a": [0] * 40_000}},
            "tasks.1.parameters.a",
            "at most 32768",
        ),
    ],
)
async def test_a_task_that_takes_long_to_read_is_refused_early(
    api: InProcessApi, task: object, field: str, says: str
) -> None:
    answer = await api.submit_batch({"tasks": [{"circuit": "x"}, task]})
    assert bad_fields(answer) == [field]
    assert says in answer.json()["errors"][0]["message"]


async def test_a_body_has_a_limit_of_its_own(api: InProcessApi) -> None:
    tasks = [{"circuit": "// " + "x" * 9_000}] * 100
    assert (await api.submit_batch({"tasks": tasks})).status_code == 202
    too_long = b'{"tasks":[' + b" " * MAX_BATCH_BYTES + b"]}"
    answer = await api.http.post("/tasks:batch", content=too_long, headers=JSON)
    assert problem(answer, 413)["detail"] == f"The body may have {MAX_BATCH_BYTES} bytes."
    answer = await api.http.post("/tasks:batch", content=b"{}", headers={"Content-Type": "text/x"})
    problem(answer, 415)


async def test_the_same_key_gives_the_same_batch(api: InProcessApi) -> None:
    first = await api.submit_batch(batch(3), **KEY, **{"X-Correlation-ID": "first"})
    again = await api.submit_batch(batch(3), **KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert len(api.store.streams) == 3


@pytest.mark.parametrize(
    "other",
    [
        batch(2),
        batch(4),
        {"tasks": list(reversed(batch(3)["tasks"]))},
        {"tasks": [*batch(2)["tasks"], {"circuit": "// circuit 2", "shots": 5}]},
        {"tasks": [*batch(2)["tasks"], {"circuit": "// circuit 2", "name": "x"}]},
        {"tasks": [*batch(2)["tasks"], {"circuit": "// circuit 2", "parameters": {"a": 1}}]},
    ],
)
async def test_the_same_key_with_another_batch_is_refused(
    api: InProcessApi, other: dict[str, Any]
) -> None:
    first = await api.submit_batch(batch(3), **KEY)
    answer = await api.submit_batch(other, **KEY)
    assert bad_fields(answer) == ["Idempotency-Key"]
    assert answer.json()["batch_id"] == first.json()["batch_id"]
    assert len(api.store.streams) == 3


async def test_batches_and_tasks_have_keys_of_their_own(api: InProcessApi) -> None:
    assert (await api.submit_batch(batch(1), **KEY)).status_code == 202
    single = await api.submit({"circuit": "// circuit 0"}, **KEY)
    assert single.status_code == 202
    assert "idempotency-replayed" not in single.headers


async def test_a_sweep_and_the_same_batch_are_the_same(api: InProcessApi) -> None:
    sweep = {"circuit": "x", "bindings": [{"a": 1}, {"a": 2}]}
    spelled_out = {"tasks": [{"circuit": "x", "parameters": {"a": n}} for n in (1, 2)]}
    first = await api.submit_sweep(sweep, **KEY)
    again = await api.submit_batch(spelled_out, **KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.content == first.content


async def test_concurrent_twins_become_one_batch(api: InProcessApi) -> None:
    answers = await asyncio.gather(*(api.submit_batch(batch(20), **KEY) for _ in range(64)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(api.store.streams) == 20


async def test_a_key_cannot_be_repeated_once_a_task_was_erased(api: InProcessApi) -> None:
    first = await api.submit_batch(batch(3), **KEY)
    task_id = UUID(first.json()["task_ids"][1])
    await put(api.store, following(await load(api.store, task_id), Cancel("enough")))
    await erased(api.store, task_id)
    document = problem(await api.submit_batch(batch(3), **KEY), 410)
    assert document["task_id"] == str(task_id)
    assert document["batch_id"] == first.json()["batch_id"]


class Pending:
    """So many tasks wait."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def pending(self, most: int) -> int:
        return min(self._count, most)


async def test_all_of_a_batch_counts_for_the_backlog() -> None:
    backlog = Backlog(Pending(95), 100)
    await backlog.count()
    async with in_process_api(backlog=backlog) as api:
        problem(await api.submit_batch(batch(6)), 503)
        assert (await api.submit_batch(batch(5))).status_code == 202
        problem(await api.submit_batch(batch(1)), 503)


async def test_a_batch_that_never_fits_is_told_so() -> None:
    backlog = Backlog(Pending(0), 100)
    await backlog.count()
    async with in_process_api(backlog=backlog) as api:
        answer = await api.submit_batch(batch(101))
        assert bad_fields(answer) == ["body"]
        assert "at most 100 may wait" in answer.json()["errors"][0]["message"]


async def test_batches_need_the_queue_where_tasks_do() -> None:
    async with in_process_api(broker_down_policy="reject") as api:
        api.broker.connected = False
        document = problem(await api.submit_batch(batch(1)), 503)
        assert document["type"] == "urn:ketlog:problem:broker-unavailable"


@pytest.mark.parametrize("keyed", [True, False])
async def test_an_outcome_that_is_not_known_is_told(keyed: bool) -> None:
    class Lost:
        async def append_atomically(
            self, _appends: Sequence[Append], _deadline: float
        ) -> list[Appended] | None:
            raise OutcomeUnknown("the connection broke")

    async with in_process_api(batch_appender=Lost()) as api:
        answer = await api.submit_batch(batch(2), **(KEY if keyed else {}))
        document = problem(answer, 503)
        assert document["outcome"] == "unknown"
        advice = "same Idempotency-Key" if keyed else f"/batches/{document['batch_id']}"
        assert advice in document["detail"]
        assert answer.headers["retry-after"]


async def test_a_store_that_is_away_is_told() -> None:
    class Away(MemoryStore):
        async def append_atomically(self, _appends: Sequence[Append]) -> list[Appended] | None:
            raise StoreUnavailable("away")

    async with in_process_api(store=Away(), request_deadline_seconds=0.02) as api:
        document = problem(await api.submit_batch(batch(2)), 503)
        assert document["type"] == "urn:ketlog:problem:store-unavailable"


async def test_few_batches_are_taken_at_a_time_and_nobody_waits_for_ever() -> None:
    class Stuck:
        def __init__(self) -> None:
            self.begun = 0
            self.free = asyncio.Event()

        async def append_atomically(
            self, appends: Sequence[Append], _deadline: float
        ) -> list[Appended] | None:
            self.begun += 1
            await self.free.wait()
            return await store.append_atomically(appends)

    store, stuck = MemoryStore(), Stuck()
    async with in_process_api(
        store=store, batch_appender=stuck, request_deadline_seconds=0.05
    ) as api:
        asked = [asyncio.create_task(api.submit_batch(batch(2))) for _ in range(4)]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        for late in done:
            document = problem(late.result(), 503)
            assert document["type"] == "urn:ketlog:problem:overloaded"
        assert stuck.begun == 2
        single = await api.submit({"circuit": QUICKSTART})
        assert single.status_code == 202
        stuck.free.set()
        assert [(await answer).status_code for answer in waiting] == [202, 202]
