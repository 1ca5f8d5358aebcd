"""What `pause` and `resume` tell the operator."""

from dataclasses import replace

import pytest

from infrastructure.memory.store import MemoryStore
from infrastructure.postgres.census import Census
from service.operate.pause import describe, pause, resume


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_a_pause_is_in_force_and_said(store: MemoryStore) -> None:
    said: list[str] = []
    await pause(store, "new disks", said.append)
    present = await store.paused()
    assert present is not None
    assert (present.reason, present.actor) == ("new disks", "operator")
    assert said == ["Dispatch is paused (new disks). `make resume` lets it go on."]


async def test_a_pause_without_a_reason_says_so(store: MemoryStore) -> None:
    said: list[str] = []
    await pause(store, "", said.append)
    assert "(no reason given)" in said[0]


async def test_pausing_twice_names_the_first_reason_and_is_no_error(store: MemoryStore) -> None:
    said: list[str] = []
    await pause(store, "new disks", said.append)
    await pause(store, "lunch", said.append)
    assert said[1].startswith("Dispatch is paused already, since ")
    assert said[1].endswith("by operator (new disks).")


async def test_resuming_names_the_pause_that_ends(store: MemoryStore) -> None:
    said: list[str] = []
    await pause(store, "new disks", said.append)
    await resume(store, said.append)
    assert await store.paused() is None
    assert said[1].startswith("Dispatch goes on. It was paused since ")
    await resume(store, said.append)
    assert said[2] == "Dispatch is not paused."


@pytest.mark.parametrize(
    ("paused", "expected"),
    [
        (True, "Tasks: 1 running, 2 with RabbitMQ (they will run), 3,000 waiting."),
        (False, "Tasks: 1 running, 2 with RabbitMQ, 3,000 waiting."),
    ],
)
def test_what_runs_and_waits_is_told(paused: bool, expected: str) -> None:
    census = Census(
        waiting=3_000,
        held=0,
        dispatched=2,
        processing=1,
        completed=0,
        failed=0,
        cancelled=0,
        oldest_seconds=60.0,
        oldest_open=1,
        next_transaction=1,
        hidden_seconds=0.0,
    )
    assert describe(census, paused=paused) == expected
    later = describe(replace(census, held=5), paused=paused)
    assert later == expected.replace("waiting.", "waiting, 5 held until they may start.")
