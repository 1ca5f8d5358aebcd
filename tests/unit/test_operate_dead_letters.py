"""What the operator can do about dead letters."""

import io

import pytest
from rich.console import Console

from domain.events import TaskRequeued
from domain.identifiers import uuid7
from infrastructure.memory.store import MemoryStore
from service.operate.dead_letters import (
    Refused,
    as_json,
    discard,
    list_letters,
    requeue,
    show_table,
)
from tests.support import tasks
from tests.support.letters import UNREADABLE, FakeBox, about, message_of


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def box() -> FakeBox:
    return FakeBox()


@pytest.fixture
def said() -> list[str]:
    return []


async def test_every_letter_is_listed_and_stays(store: MemoryStore, box: FakeBox) -> None:
    waits = await tasks.submitted(store)
    runs = await tasks.processing(store)
    names = [
        box.put(message_of(waits)),
        box.put(about(runs.task_id)),
        box.put(about(uuid7())),
        box.put(UNREADABLE),
    ]
    rows = [as_json(judgement) for judgement in await list_letters(box, store)]
    assert len(box.letters) == 4
    assert [row["message_id"] for row in rows] == names
    assert [row["task_status"] for row in rows] == ["pending", "processing", None, None]
    assert [row["what_next"] for row in rows] == [
        "the relay has another message sent for its task",
        "the relay removes it: nothing is owed to its task",
        "kept: it names a task that the log does not know",
        "kept: not a task message: KeyError",
    ]
    assert rows[0]["task_id"] == str(waits.task_id)
    assert (rows[3]["died_of"], rows[3]["died_at"], rows[3]["octets"]) == (
        "rejected",
        "2026-01-02T03:04:05+00:00",
        120,
    )


async def test_the_table_names_everything_and_takes_no_markup(
    store: MemoryStore, box: FakeBox
) -> None:
    box.put(UNREADABLE, "[red]one")
    task = await tasks.submitted(store)
    name = box.put(message_of(task))
    output = io.StringIO()
    show_table(Console(file=output, width=40), await list_letters(box, store))
    for part in (
        "[red]one",
        name,
        str(task.task_id),
        "rejected",
        "2026-01-02 03:04:05",
        "kept: not a task message",
    ):
        assert part in output.getvalue()


@pytest.mark.parametrize("by", ["message", "task"])
async def test_a_letter_is_put_right_by_either_id(
    by: str, store: MemoryStore, box: FakeBox, said: list[str]
) -> None:
    task = await tasks.submitted(store)
    name = box.put(message_of(task))
    other = box.put(UNREADABLE)
    await requeue(box, store, name if by == "message" else str(task.task_id), said.append)
    assert [letter.name for letter in box.letters] == [other]
    last = (await store.histories([task.task_id]))[task.task_id].events[-1]
    assert isinstance(last.event, TaskRequeued)
    assert last.metadata.actor == "operator"
    assert str(last.event_id) in said[0]
    assert said[1] == f"Letter {name} is removed."


async def test_a_pending_task_without_a_letter_gets_another_message(
    store: MemoryStore, box: FakeBox, said: list[str]
) -> None:
    task = await tasks.submitted(store)
    await requeue(box, store, str(task.task_id), said.append)
    assert (await tasks.load(store, task.task_id)).version == 2


async def test_a_letter_of_a_task_that_runs_is_only_removed(
    store: MemoryStore, box: FakeBox, said: list[str]
) -> None:
    task = await tasks.processing(store)
    name = box.put(about(task.task_id))
    await requeue(box, store, name, said.append)
    assert box.letters == []
    assert said[0] == f"Task {task.task_id} is processing: nothing is owed to it."
    assert (await tasks.load(store, task.task_id)).version == task.version


async def test_what_cannot_be_put_right_is_refused_with_advice(
    store: MemoryStore, box: FakeBox, said: list[str]
) -> None:
    running = await tasks.processing(store)
    name = box.put(UNREADABLE, "one")
    for wanted, advice in (
        (name, "`make discard ID=one` removes it"),
        (str(running.task_id), "is processing: only pending tasks wait"),
        (str(uuid7()), "`make dead-letters` lists"),
        ("no id at all", "`make dead-letters` lists"),
    ):
        with pytest.raises(Refused, match=advice):
            await requeue(box, store, wanted, said.append)
    assert said == []
    assert len(box.letters) == 1


async def test_a_letter_that_nobody_can_use_is_discarded_and_described(
    store: MemoryStore, box: FakeBox, said: list[str]
) -> None:
    box.put(UNREADABLE, "one")
    other = box.put(UNREADABLE, "two")
    await discard(box, store, "one", said.append)
    assert [letter.name for letter in box.letters] == [other]
    (line,) = said
    for part in ("message_id one", "died_of rejected", "octets 120", "not a task message"):
        assert part in line


async def test_a_letter_that_its_task_waits_for_is_not_discarded(
    store: MemoryStore, box: FakeBox, said: list[str]
) -> None:
    name = box.put(message_of(await tasks.submitted(store)))
    with pytest.raises(Refused, match=f"make requeue ID={name}"):
        await discard(box, store, name, said.append)
    with pytest.raises(Refused, match="make dead-letters"):
        await discard(box, store, "another", said.append)
    assert len(box.letters) == 1
