"""One task's life with one fault, before each single step of each process."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.model.invariants import violations
from tests.model.loop import Process
from tests.model.world import World

PROCESSES = ("api-1", "api-2", "relay-1", "relay-2", "worker-1")
DOWN_SECONDS = 0.5
FROZEN_SECONDS = 4.0


def kill(world: World, process: Process) -> None:
    process.kill()
    world.later(DOWN_SECONDS, partial(world.start, process.name))


def freeze(world: World, process: Process) -> None:
    process.freeze()
    world.later(FROZEN_SECONDS, process.thaw)


def lose_the_database(world: World, process: Process) -> None:
    world.database.cut(process)


def lose_the_broker(world: World, process: Process) -> None:
    world.broker.cut(process)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("fault", [kill, freeze, lose_the_database, lose_the_broker])
def test_a_task_ends_once_whenever_it_happens(
    name: str, fault: Callable[[World, Process], None]
) -> None:
    undisturbed = life_of_a_task(name, None, fault)
    steps = undisturbed.processes[name].steps
    assert steps > 10
    for step in range(steps):
        world = life_of_a_task(name, step, fault)
        assert violations(world) == [], f"at step {step}"


def life_of_a_task(name: str, step: int | None, fault: Callable[[World, Process], None]) -> World:
    """Run one task to its end, with a fault before a step of a process."""
    world = World(run_seconds=(0.01,), workers=1)
    with world.running():
        process = world.processes[name]
        if step is not None:
            process.at(step, partial(fault, world, process))
        world.do(partial(world.submit, 1))
        world.run(DOWN_SECONDS)
        assert world.settle(), f"not ended after a fault at step {step}"
    return world
