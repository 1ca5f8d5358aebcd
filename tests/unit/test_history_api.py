"""The history of tasks and the log over HTTP, and tasks as they were."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis.strategies import from_regex

from domain import cloudevents
from domain.hashing import GENESIS, event_hash
from domain.identifiers import uuid7
from domain.log import LogCursor
from domain.payloads import PayloadKind
from domain.task import Compare
from service.api import parameters
from service.api.event_models import EventPage
from service.api.models import TaskStatus
from tests.support import tasks
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem

LINES = {"Accept": "application/x-ndjson"}
TYPES = ["TaskSubmitted", "ProcessingStarted", "TaskCompleted"]


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        moments = (tasks.EPOCH + timedelta(seconds=n, microseconds=456) for n in range(10_000))
        made.store.clock = moments.__next__
        yield made


async def completed(api: InProcessApi) -> UUID:
    """A task with three events, recorded a second apart."""
    task = await tasks.processing(api.store)
    await tasks.put(api.store, tasks.completion(task, {"0": 1024}))
    return task.task_id


async def get(api: InProcessApi, path: str) -> Any:
    """The JSON answer of a path that must be found."""
    answer = await api.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] in {"no-store", "private, no-cache"}
    return answer.json()


def types(page: dict[str, Any]) -> list[str]:
    EventPage.model_validate(page)
    return [event["type"] for event in page["events"]]


# --- a task's events ---------------------------------------------------------------------------


async def test_a_task_shows_everything_that_happened_to_it(api: InProcessApi) -> None:
    task_id = await completed(api)
    await tasks.submitted(api.store)
    page = await get(api, f"/tasks/{task_id}/events")
    assert types(page) == TYPES
    assert "next" not in page
    assert [event["taskversion"] for event in page["events"]] == [1, 2, 3]
    assert {event["subject"] for event in page["events"]} == {str(task_id)}
    assert page["events"][1]["causationid"] == page["events"][0]["id"]
    previous = GENESIS
    for line in page["events"]:
        # What is shown is enough to compute the hash chain from.
        text = json.dumps({**line, "data": line.pop("data")}, separators=(",", ":"))
        shown = cloudevents.read(text.encode()).stored
        assert event_hash(previous, shown) == shown.hash
        previous = shown.hash


async def test_a_tasks_events_come_in_pages(api: InProcessApi) -> None:
    task_id = await completed(api)
    first = await get(api, f"/tasks/{task_id}/events?limit=2")
    assert types(first) == TYPES[:2]
    assert first["next"] == f"/tasks/{task_id}/events?after=2&limit=2"
    second = await get(api, first["next"])
    assert types(second) == TYPES[2:]
    assert "next" not in second
    assert types(await get(api, f"/tasks/{task_id}/events?after={second['cursor']}")) == []


async def test_a_tasks_events_come_as_lines(api: InProcessApi) -> None:
    task_id = await completed(api)
    answer = await api.http.get(f"/tasks/{task_id}/events?after=1", headers=LINES)
    assert answer.headers["content-type"] == "application/x-ndjson"
    events = [cloudevents.read(line).stored for line in answer.content.splitlines()]
    assert events == api.store.streams[task_id][1:]


@pytest.mark.parametrize("query", ["", "?after=7"])
async def test_the_events_of_an_unknown_task_are_not_found(api: InProcessApi, query: str) -> None:
    for headers in ({}, LINES):
        answer = await api.http.get(f"/tasks/{uuid7()}/events{query}", headers=headers)
        assert problem(answer, 404)["type"] == "urn:ketlog:problem:no-such-task"


async def test_erased_content_is_marked_in_the_history(api: InProcessApi) -> None:
    task_id = await completed(api)
    del api.store.payload_rows[task_id][PayloadKind.CIRCUIT]
    del api.store.payload_rows[task_id][PayloadKind.RESULT]
    page = await get(api, f"/tasks/{task_id}/events")
    assert [event.get("erased") for event in page["events"]] == ["circuit", None, "result"]


# --- the whole log -----------------------------------------------------------------------------


async def test_the_log_comes_in_pages_and_then_in_what_is_new(api: InProcessApi) -> None:
    for _ in range(3):
        await completed(api)
    seen: list[str] = []
    path = "/events?limit=4"
    while path:
        page = await get(api, path)
        seen += types(page)
        path = page.get("next", "")
    assert seen == TYPES * 3
    await tasks.submitted(api.store)
    assert types(await get(api, f"/events?after={page['cursor']}")) == ["TaskSubmitted"]


async def test_the_log_comes_as_lines_from_a_cursor_on(api: InProcessApi) -> None:
    for _ in range(3):
        await completed(api)
    first = await get(api, "/events?limit=2")
    answer = await api.http.get(f"/events?after={first['cursor']}", headers=LINES)
    events = [cloudevents.read(line).stored for line in answer.content.splitlines()]
    assert events == (await api.store.read(LogCursor(), 100))[2:]


async def test_the_log_is_filtered(api: InProcessApi) -> None:
    task_id = await completed(api)
    other = tasks.submission(correlation_id="an other/one")
    await tasks.put(api.store, other)
    assert types(await get(api, "/events?type=TaskFailed")) == []
    chosen = await get(api, "/events?type=TaskCompleted&type=ProcessingStarted")
    assert types(chosen) == TYPES[1:]
    chosen = await get(api, "/events?correlation_id=an%20other%2Fone")
    assert [event["subject"] for event in chosen["events"]] == [str(other.task_id)]
    started = api.store.streams[task_id][1].recorded_at
    since = quote(cloudevents.moment(started))
    assert types(await get(api, f"/events?since={since}&limit=2")) == TYPES[1:]
    assert types(await get(api, f"/events?until={since}")) == TYPES[:1]


async def test_the_next_page_keeps_the_filter(api: InProcessApi) -> None:
    for _ in range(3):
        await completed(api)
    first = await get(api, "/events?type=TaskCompleted&type=TaskSubmitted&limit=3")
    assert types(first) == ["TaskSubmitted", "TaskCompleted", "TaskSubmitted"]
    assert types(await get(api, first["next"])) == [
        "TaskCompleted",
        "TaskSubmitted",
        "TaskCompleted",
    ]


@pytest.mark.parametrize(
    ("accept", "lines"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/x-ndjson", True),
        ("application/jsonl;q=0.9, application/json;q=0.5", True),
        ("application/x-ndjson;q=0.1, application/json", False),
        ("application/x-ndjson;q=0", False),
        ("application/x-ndjson;q=lots", False),
        ("text/html, application/x-ndjson", True),
    ],
)
async def test_lines_come_where_the_client_would_rather_have_them(
    api: InProcessApi, accept: str, lines: bool
) -> None:
    answer = await api.http.get("/events", headers={"Accept": accept})
    assert (answer.headers["content-type"] == "application/x-ndjson") == lines


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/events?after=", "after"),
        ("/events?after=abc", "after"),
        ("/events?after=%00", "after"),
        (f"/events?after={'A' * 23}", "after"),
        ("/events?after=AQ", "after"),
        ("/events?after=_________________________w", "after"),
        ("/events?after=" + parameters.cursor_text(LogCursor(2**63, 1)), "after"),
        ("/events?limit=0", "limit"),
        ("/events?limit=1001", "limit"),
        ("/events?limit=-1", "limit"),
        ("/events?limit=1e3", "limit"),
        ("/events?limit=٣", "limit"),
        ("/events?limit=1&limit=2", "limit"),
        ("/events?type=TaskTeleported", "type"),
        ("/events?since=yesterday", "since"),
        ("/events?since=2025-12-28", "since"),
        ("/events?since=2025-12-28T14:30:00", "since"),
        ("/events?until=2025-13-28T14:30:00Z", "until"),
        ("/events?until=0001-01-01T00:00:00%2B23:59", "until"),
        ("/events?correlation_id=", "correlation_id"),
        ("/events?correlation_id=%C3%A9", "correlation_id"),
        ("/events?kind=TaskSubmitted", "kind"),
        ("/tasks/{task}/events?after=-1", "after"),
        ("/tasks/{task}/events?after=2147483648", "after"),
        ("/tasks/{task}/events?type=TaskSubmitted", "type"),
        ("/tasks/no-uuid/events", "task_id"),
        ("/tasks/{task}?version=0", "version"),
        ("/tasks/{task}?version=two", "version"),
        ("/tasks/{task}?version=1&version=2", "version"),
        ("/tasks/{task}?as_of=now", "as_of"),
        ("/tasks/{task}?as_of=2025-12-28T24:61:00Z", "as_of"),
        ("/tasks/{task}?asof=2026-01-01T00:00:00Z", "asof"),
    ],
)
async def test_a_question_that_cannot_be_answered_says_what_is_wrong_with_it(
    api: InProcessApi, path: str, field: str
) -> None:
    task = await tasks.submitted(api.store)
    assert bad_fields(await api.http.get(path.format(task=task.task_id))) == [field]


# --- time travel -------------------------------------------------------------------------------


async def test_a_version_is_exact(api: InProcessApi) -> None:
    task_id = await completed(api)
    statuses = []
    for version in (1, 2, 3):
        task = await get(api, f"/tasks/{task_id}?version={version}")
        TaskStatus.model_validate(task)
        assert task["version"] == version == len(task["status_history"])
        statuses.append((task["status"], task["attempt"], "result" in task, "execution" in task))
    assert statuses == [
        ("pending", 0, False, False),
        ("processing", 1, False, False),
        ("completed", 1, True, True),
    ]
    assert task == await get(api, f"/tasks/{task_id}")


async def test_a_time_means_what_was_recorded_up_to_then(api: InProcessApi) -> None:
    task_id = await completed(api)
    submitted, started, ended = (stored.recorded_at for stored in api.store.streams[task_id])
    microsecond = timedelta(microseconds=1)
    for time, status in (
        (submitted, "pending"),
        (started - microsecond, "pending"),
        (started, "processing"),
        (ended - microsecond, "processing"),
        (ended, "completed"),
        (datetime.now(UTC) + timedelta(days=1), "completed"),
    ):
        task = await get(api, f"/tasks/{task_id}?as_of={cloudevents.moment(time)}")
        assert task["status"] == status, time


async def test_with_a_version_and_a_time_neither_is_gone_beyond(api: InProcessApi) -> None:
    task_id = await completed(api)
    submitted, started, ended = (stored.recorded_at for stored in api.store.streams[task_id])
    for version, time, status in (
        (3, started, "processing"),
        (1, ended, "pending"),
        (2, ended, "processing"),
        (3, ended, "completed"),
    ):
        query = f"version={version}&as_of={cloudevents.moment(time)}"
        assert (await get(api, f"/tasks/{task_id}?{query}"))["status"] == status
    before = cloudevents.moment(submitted - timedelta(seconds=1))
    for query, kind in (
        (f"version=3&as_of={before}", "not-submitted-yet"),
        (f"version=4&as_of={before}", "no-such-version"),
    ):
        document = problem(await api.http.get(f"/tasks/{task_id}?{query}"), 404)
        assert document["type"] == f"urn:ketlog:problem:{kind}"


@given(from_regex(parameters.CURSOR_PATTERN[1:-1], fullmatch=True))
def test_whatever_fits_the_pattern_of_cursors_is_read_as_one(text: str) -> None:
    assert min(parameters.cursor(text)) >= 0


async def test_a_time_as_answers_show_it_takes_in_what_they_show_with_it(
    api: InProcessApi,
) -> None:
    task_id = await completed(api)
    started_at = (await get(api, f"/tasks/{task_id}"))["started_at"]
    assert len(started_at) == len("2026-01-01T00:00:00.000Z")
    task = await get(api, f"/tasks/{task_id}?as_of={started_at}")
    assert task["status"] == "processing"


@pytest.mark.parametrize("offset", ["2026-01-01T02:00:01.5%2B02:00", "2026-01-01T02:00:01.5+02:00"])
async def test_a_time_may_have_any_offset_also_unescaped(api: InProcessApi, offset: str) -> None:
    task_id = await completed(api)
    task = await get(api, f"/tasks/{task_id}?as_of={offset}")
    assert task["status"] == "processing"


async def test_a_task_was_not_there_before_it_was_submitted(api: InProcessApi) -> None:
    task_id = await completed(api)
    answer = await api.http.get(f"/tasks/{task_id}?as_of=2025-12-31T23:59:59Z")
    document = problem(answer, 404)
    assert document["type"] == "urn:ketlog:problem:not-submitted-yet"
    assert "2026-01-01T00:00:00.000Z" in document["detail"]


async def test_a_version_that_is_not_there_yet_is_not_found(api: InProcessApi) -> None:
    task_id = await completed(api)
    document = problem(await api.http.get(f"/tasks/{task_id}?version=4"), 404)
    assert document["type"] == "urn:ketlog:problem:no-such-version"
    assert "has 3 events" in document["detail"]
    for query in ("version=1", "as_of=2026-01-01T00:00:00Z"):
        document = problem(await api.http.get(f"/tasks/{uuid7()}?{query}"), 404)
        assert document["type"] == "urn:ketlog:problem:no-such-task"


async def test_erased_content_is_marked_now_and_then(api: InProcessApi) -> None:
    task_id = await completed(api)
    del api.store.payload_rows[task_id][PayloadKind.RESULT]
    for query in ("", "?version=3"):
        task = await get(api, f"/tasks/{task_id}{query}")
        assert (task["status"], task["erased"]) == ("completed", ["result"])
        assert "result" not in task
    assert "erased" not in await get(api, f"/tasks/{task_id}?version=2")


async def test_comparisons_are_shown_from_when_they_were_made(api: InProcessApi) -> None:
    task_id = await completed(api)
    newer = {"versions.qiskit": {"recorded": "2.5", "present": "2.6"}}
    for command in (Compare(0.0, {}, {}), Compare(0.25, newer, {}, "other counts")):
        task = await tasks.load(api.store, task_id)
        await tasks.put(api.store, tasks.following(task, command))
    shown = (await get(api, f"/tasks/{task_id}"))["reproductions"]
    assert [(made["outcome"], made["distance"]) for made in shown] == [
        ("reproduced", 0.0),
        ("diverged", 0.25),
    ]
    assert shown[1]["differences"] == newer
    assert "reproductions" not in await get(api, f"/tasks/{task_id}?version=3")
    assert len((await get(api, f"/tasks/{task_id}?version=4"))["reproductions"]) == 1


async def test_a_history_that_nobody_wrote_is_said_to_be_unreadable(api: InProcessApi) -> None:
    task_id = await completed(api)
    stream = api.store.streams[task_id]
    stream[1] = replace(stream[1], type="TaskTeleported")
    document = problem(await api.http.get(f"/tasks/{task_id}?version=3"), 500)
    assert document["type"] == "urn:ketlog:problem:unreadable-history"
    assert "TaskTeleported" in document["detail"]
    assert types(await get(api, f"/tasks/{task_id}/events"))[1] == "TaskTeleported"
