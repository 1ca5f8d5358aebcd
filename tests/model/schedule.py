"""Schedules: what is submitted, what goes wrong and when; drawn by hypothesis, run in a world."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st

from tests.model.invariants import lost_attempts, violations
from tests.model.programs import WorkerProgram
from tests.model.world import World

PROCESSES = ("worker-1", "worker-2", "relay-1", "relay-2", "api-1", "api-2")
REDISPATCH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        after: seconds since the one before it.
        kind: a key of `FAULTS`.
        who: the process, where the kind has to do with one.
        seconds: how long it lasts, where it lasts.
        steps: how many steps more a killed or frozen process makes.
    """

    kind: str
    who: str = "worker-1"
    after: float = 0.0
    seconds: float = 1.0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run of the model.

    Attributes:
        seed: decides latencies, lengths of runs, and who makes the next step.
        tasks: how many are submitted at the beginning, and as many again after each fault.
        clock_offset: seconds by which the wall clocks of `worker-1` and `relay-1` are wrong.
    """

    seed: int = 0
    tasks: int = 1
    clock_offset: float = 0.0
    faults: tuple[Fault, ...] = ()


def run(schedule: Schedule, world: World | None = None) -> list[str]:
    """Run a schedule; returns what was wrong at its end."""
    world = world or World(schedule.seed)
    world.clock_offsets = dict.fromkeys(("worker-1", "relay-1"), schedule.clock_offset)
    with world.running():
        world.do(partial(world.submit, schedule.tasks))
        for fault in schedule.faults:
            world.run(fault.after)
            world.note("fault", str(fault))
            world.do(partial(FAULTS[fault.kind], world, fault))
            world.do(partial(world.submit, schedule.tasks))
        for fault in schedule.faults[-1:]:
            world.run(fault.seconds)
        settled = world.settle()
        wrong = violations(world)
    if not settled:
        wrong.append(f"not everything has ended at {world.loop.time():.1f} s")
    if not any(fault.kind in COSTLY for fault in schedule.faults):
        lost = lost_attempts(world)
        wrong += [f"{lost} attempts were lost, and no worker"] if lost else []
    return wrong + _flood(world, schedule)


def _flood(world: World, schedule: Schedule) -> list[str]:
    """Tell whether some message was sent more often than faults and patience account for."""
    most = max(world.broker.published.values(), default=0)
    # A leader that was frozen while it made the queue makes everything wait again as it thaws, and
    # sends some of it itself before it learns that another one leads.
    twice = sum(fault.kind == "freeze" for fault in schedule.faults)
    allowed = 1 + len(schedule.faults) + twice + int(world.loop.time() / REDISPATCH_SECONDS)
    return [f"a message was sent {most} times, not {allowed}"] if most > allowed else []


def schedules(kinds: tuple[str, ...]) -> st.SearchStrategy[Schedule]:
    """Return schedules with faults of these kinds."""
    faults = st.builds(
        Fault,
        kind=st.sampled_from(kinds),
        who=st.sampled_from(PROCESSES),
        after=st.sampled_from((0.0, 0.01, 0.1, 0.5, 1.0, 3.0, 8.0)),
        seconds=st.sampled_from((0.5, 2.0, 4.0, 12.0)),
        steps=st.integers(0, 60),
    )
    return st.builds(
        Schedule,
        seed=st.integers(0, 10_000),
        tasks=st.integers(1, 4),
        clock_offset=st.sampled_from((0.0, 3600.0, -3600.0)),
        faults=st.lists(faults, max_size=8).map(tuple),
    )


# --- the faults --------------------------------------------------------------------------------


def _kill(world: World, fault: Fault) -> None:
    process = world.processes[fault.who]
    process.at(process.steps + fault.steps, process.kill)
    world.later(fault.seconds, partial(world.start, fault.who))


def _freeze(world: World, fault: Fault) -> None:
    process = world.processes[fault.who]
    process.at(process.steps + fault.steps, process.freeze)
    world.later(fault.seconds, process.thaw)


def _drain(world: World, fault: Fault) -> None:
    program, process = world.programs.get(fault.who), world.processes[fault.who]
    if isinstance(program, WorkerProgram) and process.alive:
        process.call(world.drain, fault.who, fault.seconds)
        world.later(2 * fault.seconds, partial(world.start, fault.who))


def _simulator_dies(world: World, fault: Fault) -> None:
    program = world.programs.get(fault.who)
    if isinstance(program, WorkerProgram) and world.processes[fault.who].alive:
        world.processes[fault.who].call(program.simulators.die)


def _database_away(world: World, fault: Fault) -> None:
    world.database.stop()
    world.later(fault.seconds, world.database.go_on)


def _database_hangs(world: World, fault: Fault) -> None:
    world.database.hang()
    world.later(fault.seconds, world.database.go_on)


def _database_cut_off(world: World, fault: Fault) -> None:
    process = world.processes[fault.who]
    world.database.cut(process)
    world.database.cut_off.add(process)
    world.later(fault.seconds, partial(world.database.cut_off.discard, process))


def _broker_away(world: World, fault: Fault) -> None:
    world.broker.stop()
    world.later(fault.seconds, world.broker.start)


def _broker_wiped(world: World, fault: Fault) -> None:
    _broker_away(world, fault)
    world.broker.delete_queue()


FAULTS: Mapping[str, Callable[[World, Fault], None]] = {
    "kill": _kill,
    "freeze": _freeze,
    "drain": _drain,
    "simulator dies": _simulator_dies,
    "database away": _database_away,
    "database hangs": _database_hangs,
    "database cut off": _database_cut_off,
    "database connections break": lambda world, _: world.database.cut(None),
    "broker away": _broker_away,
    "broker wiped": _broker_wiped,
    "broker connections break": lambda world, _: world.broker.cut(None),
    "queue purged": lambda world, _: world.broker.purge(),
    "queue deleted": lambda world, _: world.broker.delete_queue(),
    "messages duplicated": lambda world, _: world.broker.duplicate(),
}
COSTLY = {"kill", "freeze", "simulator dies", "database cut off"}
"""These may cost an attempt; nothing else may."""
EVERY_KIND = tuple(FAULTS)
