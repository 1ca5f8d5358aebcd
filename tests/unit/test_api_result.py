"""`GET /tasks/{task_id}/result`, and what a client may keep of a task that has ended."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.payloads import Payload, PayloadKind
from domain.task import Cancel, Compare, Complete, Task
from service.api.result import RESULT_FORMS
from service.api.result_models import TaskResult
from tests.support import tasks
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem

COUNTS = {"0 00": 1, "0 01": 2, "1 01": 5, "1 11": 1016}
MEMORY = ["1 11", "0 00"] * 512


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


def completion(task: Task, counts: dict[str, int], memory: list[str] | None = None) -> Any:
    """The append that ends a task, also with the outcome of each shot."""
    if memory is None:
        return tasks.completion(task, counts)
    result = Payload(PayloadKind.RESULT, json.dumps(counts).encode())
    shots = Payload(PayloadKind.MEMORY, json.dumps(memory).encode())
    command = Complete(task.attempt, result.commitment(), {"seed": 7}, shots.commitment())
    return tasks.following(task, command, result, shots)


async def completed(
    api: InProcessApi, counts: dict[str, int], memory: list[str] | None = None
) -> UUID:
    task = await tasks.processing(api.store)
    await tasks.put(api.store, completion(task, counts, memory))
    return task.task_id


async def get(api: InProcessApi, path: str) -> dict[str, Any]:
    answer = await api.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    TaskResult.model_validate(answer.json())
    return dict(answer.json())


async def test_counts_are_those_of_the_task(api: InProcessApi) -> None:
    task_id = await completed(api, COUNTS)
    expected = {"task_id": str(task_id), "shots": 1024, "counts": COUNTS}
    assert await get(api, f"/tasks/{task_id}/result") == expected
    assert await get(api, f"/tasks/{task_id}/result?as=counts") == expected


async def test_probabilities_are_shares_of_the_shots(api: InProcessApi) -> None:
    task_id = await completed(api, COUNTS)
    shown = (await get(api, f"/tasks/{task_id}/result?as=probabilities"))["probabilities"]
    assert shown == {outcome: times / 1024 for outcome, times in COUNTS.items()}
    assert sum(shown.values()) == 1


async def test_registers_are_counted_one_by_one_in_order_of_declaration(api: InProcessApi) -> None:
    task_id = await completed(api, COUNTS)
    assert (await get(api, f"/tasks/{task_id}/result?as=registers"))["registers"] == [
        {"index": 0, "bits": 2, "counts": {"00": 1, "01": 7, "11": 1016}},
        {"index": 1, "bits": 1, "counts": {"0": 3, "1": 1021}},
    ]


async def test_the_outcome_of_every_shot_is_shown_where_it_was_asked_for(api: InProcessApi) -> None:
    kept = await completed(api, COUNTS, MEMORY)
    assert (await get(api, f"/tasks/{kept}/result?as=memory"))["memory"] == MEMORY
    answer = await api.http.get(f"/tasks/{await completed(api, COUNTS)}/result?as=memory")
    assert problem(answer, 404)["type"] == "urn:ketlog:problem:memory-not-kept"


async def test_a_large_result_is_the_same(api: InProcessApi) -> None:
    counts = {f"{number:040b}": 1 for number in range(8_000)}
    task_id = await completed(api, counts)
    (register,) = (await get(api, f"/tasks/{task_id}/result?as=registers"))["registers"]
    assert register == {"index": 0, "bits": 40, "counts": counts}


@pytest.mark.parametrize("form", RESULT_FORMS)
async def test_a_task_that_has_not_ended_has_no_result_yet(api: InProcessApi, form: str) -> None:
    for task in (await tasks.submitted(api.store), await tasks.processing(api.store)):
        answer = await api.http.get(f"/tasks/{task.task_id}/result?as={form}")
        document = problem(answer, 409)
        assert document["type"] == "urn:ketlog:problem:task-not-completed"
        assert document["current_status"] == task.status
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("form", RESULT_FORMS)
async def test_a_task_that_ended_without_a_result_says_why(api: InProcessApi, form: str) -> None:
    failed = await tasks.processing(api.store)
    await tasks.put(api.store, tasks.failure(failed, "parse_error", "no circuit"))
    document = problem(await api.http.get(f"/tasks/{failed.task_id}/result?as={form}"), 409)
    assert (document["current_status"], document["error_code"]) == ("failed", "parse_error")
    assert "line 1, column 2: no circuit" in document["detail"]
    cancelled = await tasks.submitted(api.store)
    await tasks.put(api.store, tasks.following(cancelled, Cancel("not needed")))
    document = problem(await api.http.get(f"/tasks/{cancelled.task_id}/result?as={form}"), 409)
    assert document["current_status"] == "cancelled"
    assert "not needed" in document["detail"]


async def test_what_was_erased_is_gone(api: InProcessApi) -> None:
    task_id = await completed(api, COUNTS, MEMORY)
    tag = (await api.http.get(f"/tasks/{task_id}")).headers["etag"]
    result = api.store.payload_rows[task_id].pop(PayloadKind.RESULT)
    for form in ("counts", "probabilities", "registers"):
        answer = await api.http.get(f"/tasks/{task_id}/result?as={form}")
        assert problem(answer, 410)["type"] == "urn:ketlog:problem:result-erased"
    await get(api, f"/tasks/{task_id}/result?as=memory")
    assert (await api.http.get(f"/tasks/{task_id}", headers={"If-None-Match": tag})).content
    api.store.payload_rows[task_id][PayloadKind.RESULT] = result
    del api.store.payload_rows[task_id][PayloadKind.MEMORY]
    problem(await api.http.get(f"/tasks/{task_id}/result?as=memory"), 410)


async def test_bad_questions_are_named(api: InProcessApi) -> None:
    task_id = await completed(api, COUNTS)
    assert bad_fields(await api.http.get(f"/tasks/{task_id}/result?as=xml")) == ["as"]
    assert bad_fields(await api.http.get(f"/tasks/{task_id}/result?form=x")) == ["form"]
    problem(await api.http.get(f"/tasks/{uuid4()}/result"), 404)


# --- what may be kept ---------------------------------------------------------------------------


async def test_a_task_that_has_ended_is_not_sent_twice(api: InProcessApi) -> None:
    task_id = await completed(api, COUNTS, MEMORY)
    paths = [f"/tasks/{task_id}", *(f"/tasks/{task_id}/result?as={form}" for form in RESULT_FORMS)]
    tags = []
    for path in paths:
        first = await api.http.get(path)
        tag = first.headers["etag"]
        assert tag.startswith('"')
        assert first.headers["cache-control"] == "private, no-cache"
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = await api.http.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert (again.headers["etag"], "x-correlation-id" in again.headers) == (tag, True)
        other = await api.http.get(path, headers={"If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)
        tags.append(tag)
    assert len(set(tags)) == len(paths)


async def test_a_note_about_a_task_changes_its_tag(api: InProcessApi) -> None:
    task_id = await completed(api, COUNTS)
    before = (await api.http.get(f"/tasks/{task_id}")).headers["etag"]
    task = await tasks.load(api.store, task_id)
    await tasks.put(api.store, tasks.following(task, Compare(0.0, {}, {"seed": 7})))
    after = await api.http.get(f"/tasks/{task_id}", headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.headers["etag"] != before
    assert after.json()["reproductions"]


async def test_a_task_that_goes_on_and_its_past_have_no_tag(api: InProcessApi) -> None:
    task = await tasks.processing(api.store)
    ended = await completed(api, COUNTS)
    for path in (f"/tasks/{task.task_id}", f"/tasks/{ended}?version=3"):
        answer = await api.http.get(path, headers={"If-None-Match": "*"})
        assert answer.status_code == 200
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
