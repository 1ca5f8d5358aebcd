"""Names, tags, priorities and start times of submissions."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.labels import HEAD_START, NO_LABELS, Labels, Priority, turn_of
from service.api.models import TaskStatus
from tests.support.api import InProcessApi, bad_fields, in_process_api
from tests.support.tasks import load

LABELLED = {
    "circuit": "x",
    "name": "ein Bell-Paar ψ",
    "tags": {"device": "north", "run": "7", "empty": ""},
    "priority": "high",
    "not_before": "2020-01-02T04:04:05.678901+01:00",
}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api(max_days_ahead=7) as made:
        yield made


async def test_what_a_client_says_is_stored_and_shown(api: InProcessApi) -> None:
    task_id = (await api.accepted(LABELLED))["task_id"]
    answer = (await api.http.get(f"/tasks/{task_id}")).json()
    TaskStatus.model_validate(answer)
    assert {name: answer[name] for name in ("name", "tags", "priority", "not_before")} == {
        "name": "ein Bell-Paar ψ",
        "tags": {"device": "north", "run": "7", "empty": ""},
        "priority": "high",
        "not_before": "2020-01-02T03:04:05.678Z",
    }
    assert (await load(api.store, UUID(task_id))).labels == Labels(
        "ein Bell-Paar ψ",
        {"device": "north", "run": "7", "empty": ""},
        Priority.HIGH,
        datetime(2020, 1, 2, 3, 4, 5, 678901, UTC),
    )
    past = await api.http.get(f"/tasks/{task_id}?version=1")
    assert past.json()["tags"] == LABELLED["tags"]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"name": None, "tags": None, "not_before": None},
        {"tags": {}, "priority": "normal"},
    ],
)
async def test_a_task_of_which_nothing_is_said_is_as_it_ever_was(
    api: InProcessApi, said: dict[str, object]
) -> None:
    task_id = (await api.accepted({"circuit": "x", **said}))["task_id"]
    answer = (await api.http.get(f"/tasks/{task_id}")).json()
    assert list(answer) == [
        "task_id",
        "status",
        "submitted_at",
        "status_history",
        "correlation_id",
        "shots",
        "attempt",
        "version",
    ]
    assert (await load(api.store, UUID(task_id))).labels is NO_LABELS


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 129}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"tags": {f"t{number}": "" for number in range(17)}}, "tags"),
        ({"tags": {"": "x"}}, "tags..[key]"),
        ({"tags": {"a b": "x"}}, "tags.a b.[key]"),
        ({"tags": {"k" * 65: "x"}}, f"tags.{'k' * 65}.[key]"),
        ({"tags": {"a": "v" * 257}}, "tags.a"),
        ({"tags": {"a": "\u0000"}}, "tags.a"),
        ({"tags": {"a": 1}}, "tags.a"),
        ({"tags": ["a"]}, "tags"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": 1}, "priority"),
        ({"not_before": "tomorrow"}, "not_before"),
        ({"not_before": "2026-01-01T00:00:00"}, "not_before"),
        ({"not_before": "2026-02-30T00:00:00Z"}, "not_before"),
        ({"not_before": 1767225600}, "not_before"),
        ({"not_before": "9999-12-31T23:59:59Z"}, "not_before"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_its_name(
    api: InProcessApi, said: dict[str, object], field: str
) -> None:
    answer = await api.submit({"circuit": "x", **said})
    assert bad_fields(answer) == [field]
    assert not api.store.streams


async def test_a_start_is_bounded_by_the_setting(api: InProcessApi) -> None:
    start = datetime.now(UTC) + timedelta(days=7, minutes=-1)
    await api.accepted({"circuit": "x", "not_before": start.isoformat()})
    late = start + timedelta(minutes=2)
    answer = await api.submit({"circuit": "x", "not_before": late.isoformat()})
    assert answer.json()["errors"] == [
        {"field": "not_before", "message": "must be at most 7 days from now"}
    ]


async def test_the_same_labels_in_another_order_are_the_same_body(api: InProcessApi) -> None:
    key = {"Idempotency-Key": "k"}
    first = await api.submit(LABELLED, **key)
    tags = {"run": "7", "empty": "", "device": "north"}
    same_time = "2020-01-02T03:04:05.678901Z"
    again = await api.submit({**LABELLED, "tags": tags, "not_before": same_time}, **key)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("labels", "turn"),
    [
        (NO_LABELS, NOON),
        (Labels(priority=Priority.HIGH), NOON - HEAD_START),
        (Labels(priority=Priority.LOW), NOON + HEAD_START),
        (Labels(not_before=NOON - timedelta(hours=1)), NOON),
        (Labels(not_before=NOON + timedelta(hours=1)), NOON + timedelta(hours=1)),
        (
            Labels(priority=Priority.HIGH, not_before=NOON + timedelta(hours=1)),
            NOON + timedelta(hours=1) - HEAD_START,
        ),
    ],
)
def test_a_priority_is_a_head_start_on_the_time_from_which_a_task_could_run(
    labels: Labels, turn: datetime
) -> None:
    assert turn_of(labels, NOON) == turn
