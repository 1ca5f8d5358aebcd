"""The protocol under schedules of faults: none loses a task, or ends one twice."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.model.invariants import violations
from tests.model.mutants import redispatch_by_age
from tests.model.schedule import EVERY_KIND, Fault, Schedule, run, schedules
from tests.model.world import World

HOUR = 3_600.0


@given(schedules(EVERY_KIND))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_every_accepted_task_ends_once_whatever_goes_wrong(schedule: Schedule) -> None:
    assert run(schedule) == []


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_accepted_task_ends_once_after(kind: str) -> None:
    faults = (Fault(kind, "worker-1", 0.3, 4.0, steps=7), Fault(kind, "relay-1", 1.0, 4.0, steps=7))
    assert run(Schedule(seed=1, tasks=3, faults=faults)) == []


def test_a_schedule_runs_the_same_way_every_time() -> None:
    schedule = Schedule(5, 3, 3600.0, (Fault("kill", steps=30), Fault("broker wiped", after=1.0)))
    first, second = World(schedule.seed), World(schedule.seed)
    assert run(schedule, first) == run(schedule, second) == []
    assert first.journal == second.journal
    assert len(first.journal) > 10


def test_a_backlog_that_waits_for_an_hour_is_sent_once() -> None:
    world = backlog()
    assert violations(world) == []
    assert set(world.broker.published.values()) == {1}


def test_the_backlog_would_show_messages_that_are_sent_again_for_their_age() -> None:
    with redispatch_by_age():
        world = backlog(seconds=HOUR / 20)
    assert max(world.broker.published.values()) > 1


def backlog(tasks: int = 80, seconds: float = HOUR) -> World:
    """Have one worker run tasks one after the other, for an hour."""
    world = World(run_seconds=(seconds / tasks,), workers=1)
    with world.running():
        world.do(lambda: world.submit(tasks))
        world.run(10.0, lambda: world.submitting == 0)
        assert world.run(2 * seconds, lambda: world.store.at_rest)
        assert world.loop.time() > seconds
    return world
