"""`GET /tasks`: pages, links, filters and fields over HTTP."""

import base64
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from domain.identifiers import uuid7
from domain.labels import Labels, Priority
from domain.listing import Place
from domain.task import Cancel
from service.api.list_cursor import cursor_of, cursor_text
from service.api.list_fields import CONTENT_FIELDS, FIELDS, USUAL_FIELDS
from service.api.list_models import ListedTask as ListedModel
from service.api.list_models import TaskList
from service.api.task_list import DEFAULT_LIMIT, MAX_LIMIT
from tests.support import tasks
from tests.support.api import InProcessApi, bad_fields, in_process_api

ALL_FIELDS = ",".join(FIELDS)


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        moments = (tasks.EPOCH + timedelta(seconds=n, microseconds=456) for n in range(10_000))
        made.store.clock = moments.__next__
        yield made


async def submit(api: InProcessApi, count: int = 1, **said: Any) -> list[str]:
    """Submit tasks; returns their ids, newest first."""
    made = [await tasks.put(api.store, tasks.submission(**said)) for _ in range(count)]
    return [str(each.task_id) for each in reversed(made)]


async def page(api: InProcessApi, path: str = "/tasks") -> dict[str, Any]:
    answer = await api.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = dict(answer.json())
    TaskList.model_validate(body)
    links = {
        relation: target
        for target, relation in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["link"])
    }
    assert links.get("next") == body.get("next")
    assert "cursor=" not in links["first"]
    return body


async def ids(api: InProcessApi, path: str) -> list[str]:
    """The ids on all pages from a path on."""
    found: list[str] = []
    while path:
        body = await page(api, path)
        found += [task["task_id"] for task in body["tasks"]]
        path = body.get("next", "")
    return found


async def test_without_tasks_the_list_is_empty(api: InProcessApi) -> None:
    assert await page(api) == {"tasks": []}


async def test_tasks_come_newest_first_without_circuits_and_results(api: InProcessApi) -> None:
    (pending,) = await submit(api)
    task = await tasks.processing(api.store)
    await tasks.put(api.store, tasks.completion(task, {"0": 1024}))
    completed, listed = (await page(api))["tasks"]
    assert listed == {
        "task_id": pending,
        "status": "pending",
        "submitted_at": "2026-01-01T00:00:00.000Z",
        "correlation_id": "a-correlation-id",
        "shots": 1024,
        "attempt": 0,
        "version": 1,
    }
    assert (completed["status"], completed["version"]) == ("completed", 3)
    assert completed["started_at"] < completed["completed_at"]
    assert {"result", "circuit", "execution"}.isdisjoint(completed)


async def test_everything_that_a_task_says_of_itself_is_shown(api: InProcessApi) -> None:
    batch, origin = uuid7(), uuid7()
    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    labels = Labels('a "name"', {"b": "2", "a": "é"}, Priority.LOW, start, batch, origin)
    await submit(api, labels=labels)
    (listed,) = (await page(api))["tasks"]
    assert listed["name"] == 'a "name"'
    assert list(listed["tags"].items()) == [("b", "2"), ("a", "é")]
    assert (listed["priority"], listed["not_before"]) == ("low", "2026-05-01T12:00:00.000Z")
    assert (listed["batch_id"], listed["origin"]) == (str(batch), str(origin))
    failed = await tasks.processing(api.store)
    await tasks.put(api.store, tasks.failure(failed, "parse_error", "no circuit"))
    listed = (await page(api))["tasks"][0]
    assert (listed["error_code"], listed["error_message"]) == (
        "parse_error",
        "line 1, column 2: no circuit",
    )


async def test_pages_lead_to_each_other_and_back_to_the_first(api: InProcessApi) -> None:
    made = await submit(api, 7)
    first = await page(api, "/tasks?limit=3")
    assert [task["task_id"] for task in first["tasks"]] == made[:3]
    asked = parse_qs(urlsplit(first["next"]).query)
    assert set(asked) == {"limit", "cursor"}
    second = await page(api, first["next"])
    assert [task["task_id"] for task in second["tasks"]] == made[3:6]
    last = await page(api, second["next"])
    assert ([task["task_id"] for task in last["tasks"]], "next" in last) == (made[6:], False)
    answer = await api.http.get(second["next"])
    assert answer.headers["link"] == '</tasks?limit=3>; rel="first"'
    assert await ids(api, "/tasks?limit=7") == made


async def test_a_page_is_as_long_as_is_asked_for(api: InProcessApi) -> None:
    await submit(api, DEFAULT_LIMIT + 1)
    assert len((await page(api))["tasks"]) == DEFAULT_LIMIT
    assert len((await page(api, f"/tasks?limit={MAX_LIMIT}"))["tasks"]) == DEFAULT_LIMIT + 1
    for limit in ("0", str(MAX_LIMIT + 1), "x", "-1", ""):
        assert bad_fields(await api.http.get(f"/tasks?limit={limit}")) == ["limit"]


async def test_filters_leave_out_what_is_not_asked_for(api: InProcessApi) -> None:
    batch = uuid7()
    labels = Labels("n", {"run": "7", "site": "a:b"}, batch_id=batch)
    (cancelled,) = await submit(api, labels=labels, correlation_id="mine / yours")
    task = await tasks.load(api.store, UUID(cancelled))
    await tasks.put(api.store, tasks.following(task, Cancel("enough")))
    others = await submit(api, 3, labels=Labels(tags={"run": "8"}))
    for query, expected in (
        ("status=cancelled", [cancelled]),
        ("status=pending&limit=1", others),
        ("status=pending&status=cancelled", [*others, cancelled]),
        ("status=failed", []),
        ("tag=run:7", [cancelled]),
        ("tag=run:7&tag=site:a:b", [cancelled]),
        ("tag=run:7&tag=run:7", [cancelled]),
        ("tag=run:7&tag=run:8", []),
        ("tag=run:7%00", []),
        ("tag=run:8&limit=2", others),
        ("name=n", [cancelled]),
        ("name=n%00", []),
        (f"batch_id={batch}", [cancelled]),
        (f"batch_id={uuid4()}", []),
        ("correlation_id=mine%20/%20yours", [cancelled]),
        ("submitted_before=2026-01-01T00:00:01Z", [cancelled]),
        ("submitted_after=2026-01-01T00:00:02Z&limit=1", others),
        ("submitted_after=2026-01-01T00:00:02Z&tag=run:7", []),
    ):
        assert await ids(api, f"/tasks?{query}") == expected, query


async def test_more_tags_than_a_task_may_have_find_none(api: InProcessApi) -> None:
    await submit(api)
    query = "&".join(f"tag=k{number}:v" for number in range(17))
    assert await ids(api, f"/tasks?{query}") == []


async def test_fields_are_those_that_were_asked_for(api: InProcessApi) -> None:
    task = await tasks.processing(api.store)
    await tasks.put(api.store, tasks.completion(task, {"0": 1024}))
    chosen = (await page(api, "/tasks?fields=status,result,name"))["tasks"]
    assert chosen == [{"status": "completed", "result": {"0": 1024}}]
    (everything,) = (await page(api, f"/tasks?fields={ALL_FIELDS}"))["tasks"]
    assert everything["circuit"] == tasks.QUICKSTART
    assert set(everything) > {"result", "circuit", "task_id"}
    assert list(everything) == [name for name in FIELDS if name in everything]
    for fields in ("", ",", "secret", "status,secret", "a\x00"):
        assert bad_fields(await api.http.get("/tasks", params={"fields": fields})) == ["fields"]


def test_the_model_has_the_fields_that_are_written() -> None:
    assert set(ListedModel.model_fields) == set(FIELDS) == {*USUAL_FIELDS, *CONTENT_FIELDS}


async def test_links_keep_filters_and_fields(api: InProcessApi) -> None:
    await submit(api, 3, labels=Labels("a&b=c", {"run": "é:7"}))
    query = "/tasks?tag=run:%C3%A9:7&name=a%26b%3Dc&fields=task_id&limit=1"
    first = await page(api, query)
    assert len(await ids(api, first["next"])) == 2
    assert (await page(api, first["next"]))["tasks"][0].keys() == {"task_id"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("tag=run", "tag"),
        ("submitted_after=yesterday", "submitted_after"),
        ("submitted_before=1&submitted_before=2", "submitted_before"),
        ("batch_id=7", "batch_id"),
        ("correlation_id=", "correlation_id"),
        ("correlation_id=%C3%A9", "correlation_id"),
        ("name=", "name"),
        ("name=" + "x" * 129, "name"),
        ("order=oldest", "order"),
        ("cursor=", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=%C3%A9", "cursor"),
    ],
)
async def test_bad_questions_are_named(api: InProcessApi, query: str, field: str) -> None:
    assert bad_fields(await api.http.get(f"/tasks?{query}")) == [field]


async def test_a_cursor_leads_on_in_its_own_list_alone(api: InProcessApi) -> None:
    await submit(api, 3, labels=Labels(tags={"run": "7"}))
    following = (await page(api, "/tasks?tag=run:7&status=pending&limit=1"))["next"]
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    # Whoever reads on may change how much is shown.
    other = f"/tasks?status=pending&tag=run:7&fields=task_id&cursor={cursor}"
    assert len(await ids(api, other)) == 2
    for query in ("", "tag=run:7", "tag=run:7&status=failed", "tag=run:8&status=pending"):
        answer = await api.http.get(f"/tasks?{query}&cursor={cursor}")
        assert bad_fields(answer) == ["cursor"]


def test_a_cursor_that_was_changed_anywhere_is_refused() -> None:
    place = Place(datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC), uuid7())
    chosen = ["physics", [["status", ["failed"]]]]
    text = cursor_text(place, chosen)
    assert cursor_of(chosen)(text) == place
    packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for position in range(len(packed)):
        changed = bytearray(packed)
        changed[position] ^= 1
        with pytest.raises(ValueError, match="must be the"):
            cursor_of(chosen)(base64.urlsafe_b64encode(changed).decode().rstrip("="))
    for other in (["chemistry", chosen[1]], ["physics", []], [None, chosen[1]]):
        with pytest.raises(ValueError, match="same filters"):
            cursor_of(other)(text)


def test_every_place_fits_into_a_cursor() -> None:
    for place in (
        Place(datetime.min.replace(tzinfo=UTC), UUID(int=0)),
        Place(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1)),
    ):
        assert cursor_of([])(cursor_text(place, [])) == place
