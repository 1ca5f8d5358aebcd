"""The event loop under the model: time, order, death and frost."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from tests.model.loop import Process, VirtualLoop, new_loop, remotely


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = new_loop(random.Random(0))
    asyncio.events._set_running_loop(made)
    yield made
    asyncio.events._set_running_loop(None)
    made.bury()


def process(loop: VirtualLoop, name: str = "one") -> Process:
    made = Process(name)
    loop.add(made)
    return made


def test_time_jumps_to_the_next_timer(loop: VirtualLoop) -> None:
    rung: list[float] = []

    async def sleep() -> None:
        await asyncio.sleep(3_600)
        rung.append(loop.time())

    process(loop).call(lambda: asyncio.create_task(sleep()))
    assert loop.run(lambda: rung == [3_600], within=4_000)


def test_a_wait_that_comes_to_nothing_ends_at_its_limit(loop: VirtualLoop) -> None:
    assert not loop.run(lambda: False, within=60)
    assert loop.time() == 60


def test_steps_of_one_process_keep_their_order_and_those_of_several_do_not(
    loop: VirtualLoop,
) -> None:
    done: list[tuple[str, int]] = []
    for name in ("a", "b"):
        made = process(loop, name)
        for number in range(20):
            made.call(done.append, (name, number))
    loop.run(lambda: len(done) == 40, within=1)
    for name in ("a", "b"):
        assert [step for step in done if step[0] == name] == [(name, n) for n in range(20)]
    assert done != sorted(done)


def test_a_killed_process_cleans_nothing_up(loop: VirtualLoop) -> None:
    said: list[str] = []
    victim, other = process(loop, "victim"), process(loop, "other")

    async def work() -> None:
        try:
            said.append("at work")
            await asyncio.sleep(1)
        finally:
            said.append("cleaned up")

    victim.call(lambda: asyncio.create_task(work()))
    other.call(lambda: loop.call_later(0.5, victim.kill))
    loop.run(lambda: False, within=5)
    assert said == ["at work"]


def test_a_frozen_process_goes_on_where_it_was(loop: VirtualLoop) -> None:
    ticks: list[float] = []
    frozen, other = process(loop, "frozen"), process(loop, "other")

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            ticks.append(loop.time())

    frozen.call(lambda: asyncio.create_task(tick()))
    other.call(lambda: loop.call_later(2.5, frozen.freeze))
    other.call(lambda: loop.call_later(10.25, frozen.thaw))
    loop.run(lambda: False, within=11.5)
    assert ticks == [1, 2, 10.25, 11.25]


def test_another_process_answers_and_a_dead_one_never_does(loop: VirtualLoop) -> None:
    asking, alive, dead = (process(loop, name) for name in ("asking", "alive", "dead"))
    answers: list[str] = []

    async def answer() -> str:
        return "here"

    async def ask(whom: Process) -> None:
        answers.append(await remotely(whom, answer))

    dead.kill()
    for whom in (dead, alive):
        asking.call(lambda whom=whom: asyncio.create_task(ask(whom)))
    loop.run(lambda: False, within=5)
    assert answers == ["here"]
