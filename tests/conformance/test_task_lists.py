"""What every list of tasks promises: each task once, newest first, and nobody else's."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import listing
from domain.identifiers import uuid7
from domain.labels import Labels, Priority
from domain.listing import LAST_ID, ListedTask, Place, TaskFilter
from domain.log import Appended
from domain.payloads import PayloadKind
from domain.status import Status
from domain.task import Cancel
from tests.support import tasks
from tests.support.stores import Store


async def submit(store: Store, circuit: str = tasks.QUICKSTART, **said: Any) -> Appended:
    return await tasks.put(store.log, tasks.submission(circuit, **said))


async def listed(
    store: Store,
    limit: int = 100,
    contents: Collection[PayloadKind] = (),
    **chosen: Any,
) -> list[ListedTask]:
    """All tasks that a filter lets through, read page by page."""
    found: list[ListedTask] = []
    after = None
    for _ in range(1_000):
        page = await store.lists.page(after, limit, TaskFilter(**chosen), contents)
        assert len(page.tasks) <= limit
        found += page.tasks
        if page.end is None:
            return found
        assert after is None or page.end < after
        after = page.end
    raise AssertionError("the list has no end")


async def ids(store: Store, limit: int = 100, **chosen: Any) -> list[UUID]:
    return [task.task_id for task in await listed(store, limit, **chosen)]


async def test_a_listed_task_is_as_its_view(store: Store) -> None:
    labels = Labels("a name", {"b": "2", "a": "1"}, Priority.HIGH, batch_id=uuid7(), origin=uuid7())
    pending = tasks.submission(tenant="physics", labels=labels, correlation_id="mine")
    await tasks.put(store.log, pending)
    failed = await tasks.processing(store.log)
    await tasks.put(store.log, tasks.failure(failed, "parse_error", "needs a semicolon"))
    for task in await listed(store):
        view = await store.queries.view(task.task_id)
        assert view is not None
        for name in ListedTask.__slots__:
            if name != "contents":
                assert getattr(task, name) == getattr(view, name), name
        assert task.contents == {}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_tasks_come_newest_first_and_each_once(store: Store, limit: int) -> None:
    made = [await submit(store) for _ in range(6)]
    await store.log.append([tasks.submission() for _ in range(3)])
    found = await listed(store, limit)
    assert [task.task_id for task in found][3:] == [each.task_id for each in reversed(made)]
    assert [task.place for task in found] == sorted((t.place for t in found), reverse=True)
    assert len({task.task_id for task in found}) == 9


async def test_a_task_that_comes_while_somebody_reads_on_moves_nothing(store: Store) -> None:
    made = [(await submit(store)).task_id for _ in range(4)]
    first = await store.lists.page(None, 2, TaskFilter())
    await submit(store)
    second = await store.lists.page(first.end, 2, TaskFilter())
    assert [task.task_id for task in (*first.tasks, *second.tasks)] == made[::-1]
    assert second.end is None


async def test_an_empty_list_has_no_next_page(store: Store) -> None:
    page = await store.lists.page(None, 10, TaskFilter(tenant="physics"))
    assert (list(page.tasks), page.end) == ([], None)


@pytest.mark.parametrize("limit", [1, 100])
async def test_tenants_see_their_own_tasks_alone(store: Store, limit: int) -> None:
    made: dict[str, list[UUID]] = {"": [], "physics": [], "chemistry": []}
    for _ in range(3):
        for tenant, mine in made.items():
            mine.insert(0, (await submit(store, tenant=tenant)).task_id)
    for tenant, mine in made.items():
        assert await ids(store, limit, tenant=tenant) == mine
    assert set(await ids(store, limit)) == {each for mine in made.values() for each in mine}


async def test_a_status_lets_its_tasks_through(store: Store) -> None:
    pending = await tasks.submitted(store.log)
    running = await tasks.processing(store.log)
    cancelled = await tasks.submitted(store.log)
    await tasks.put(store.log, tasks.following(cancelled, Cancel("enough")))
    for status, task in (
        (Status.PENDING, pending),
        (Status.PROCESSING, running),
        (Status.CANCELLED, cancelled),
    ):
        assert await ids(store, statuses=frozenset({status})) == [task.task_id]
    some = frozenset({Status.PENDING, Status.CANCELLED})
    assert await ids(store, 1, statuses=some) == [cancelled.task_id, pending.task_id]
    assert await ids(store, statuses=frozenset({Status.FAILED})) == []


@pytest.mark.parametrize("limit", [1, 100])
async def test_labels_find_tasks(store: Store, limit: int) -> None:
    batch = uuid7()
    north = Labels(name="n", tags={"device": "north", "run": "7"})
    both = Labels(tags={"run": "7", "device": "south"}, batch_id=batch)
    odd = Labels(name="7", tags={"run": "70", 'it"s': "{}\\"})
    first, second, third = [
        (await submit(store, labels=labels)).task_id for labels in (north, both, odd)
    ]
    await submit(store)
    assert await ids(store, limit, tags={"run": "7"}) == [second, first]
    assert await ids(store, limit, tags={"run": "7", "device": "north"}) == [first]
    assert await ids(store, limit, tags={'it"s': "{}\\"}) == [third]
    assert await ids(store, limit, tags={"device": "7"}) == []
    assert await ids(store, limit, batch_id=batch) == [second]
    assert await ids(store, limit, batch_id=uuid7()) == []
    assert await ids(store, limit, name="7") == [third]
    assert await ids(store, limit, name="n", tags={"run": "7"}) == [first]
    assert await ids(store, limit, name="n", batch_id=batch) == []


async def test_labels_of_others_find_nothing(store: Store) -> None:
    batch = uuid7()
    labels = Labels(name="n", tags={"run": "7"}, batch_id=batch)
    await submit(store, labels=labels, tenant="physics", correlation_id="theirs")
    for chosen in (
        {"tags": {"run": "7"}},
        {"batch_id": batch},
        {"name": "n"},
        {"correlation_id": "theirs"},
    ):
        assert await ids(store, tenant="chemistry", **chosen) == []
        assert len(await ids(store, tenant="physics", **chosen)) == 1


@pytest.mark.parametrize("limit", [1, 100])
async def test_a_correlation_id_finds_its_tasks(store: Store, limit: int) -> None:
    one = [(await submit(store, correlation_id="one")).task_id for _ in range(3)]
    await submit(store, correlation_id="other")
    assert await ids(store, limit, correlation_id="one") == one[::-1]
    assert await ids(store, limit, correlation_id="none") == []


async def test_times_bound_a_list(store: Store) -> None:
    made = [await submit(store) for _ in range(4)]
    times = [each.recorded_at for each in made]
    middle = [made[2].task_id, made[1].task_id]
    assert await ids(store, since=times[1], until=times[3]) == middle
    assert await ids(store, 1, since=times[1], until=times[3]) == middle
    assert await ids(store, since=times[3] + timedelta(microseconds=1)) == []
    assert await ids(store, until=times[0]) == []


async def test_a_place_need_not_be_a_tasks(store: Store) -> None:
    made = [await submit(store) for _ in range(3)]
    after = Place(made[1].recorded_at, LAST_ID)
    page = await store.lists.page(after, 10, TaskFilter())
    assert [task.task_id for task in page.tasks] == [made[1].task_id, made[0].task_id]


async def test_contents_come_where_they_are_asked_for(store: Store) -> None:
    task = await tasks.processing(store.log)
    await tasks.put(store.log, tasks.completion(task, {"0": 1024}))
    await submit(store, "another circuit")
    pending, completed = await listed(store, contents=(PayloadKind.RESULT, PayloadKind.CIRCUIT))
    assert pending.contents == {PayloadKind.CIRCUIT: b"another circuit"}
    assert completed.contents == {
        PayloadKind.CIRCUIT: tasks.QUICKSTART.encode(),
        PayloadKind.RESULT: b'{"0":1024}',
    }
    (_, without) = await listed(store, contents=(PayloadKind.RESULT,))
    assert set(without.contents) == {PayloadKind.RESULT}


async def test_a_page_ends_where_its_contents_are_too_large(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_CONTENT_BYTES", 1_000)
    made = [(await submit(store, "x" * size)).task_id for size in (500, 3_000, 700, 100, 200)]
    asked = (PayloadKind.CIRCUIT,)
    sizes = []
    after = None
    while True:
        page = await store.lists.page(after, 3, TaskFilter(), asked)
        sizes.append([len(task.contents[PayloadKind.CIRCUIT]) for task in page.tasks])
        if page.end is None:
            break
        after = page.end
    assert sizes == [[200, 100, 700], [3_000], [500]]
    found = await listed(store, 3, asked)
    assert [task.task_id for task in found] == made[::-1]
    assert [replace(task, contents={}) for task in found] == await listed(store)
