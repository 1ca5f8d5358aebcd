"""`python -m tests.model --minutes 5 --seed 1`: `make model`.

Draws schedules until the time is up, then looks for the shortest one that shows each removed rule.
Ends with 0, or with 1 when a schedule was wrong (it is shrunk and shown) or a rule not missed.
"""

import argparse
import random
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis.errors import NoSuchExample

from tests.model.invariants import lost_attempts
from tests.model.mutants import MUTANTS, Mutant
from tests.model.schedule import EVERY_KIND, Schedule, run, schedules
from tests.model.world import World

SCHEDULES_AT_ONCE = 200
SCHEDULES_A_MUTANT = 3_000


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="for the schedules")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    wrong = _explore(options.seed, 60 * options.minutes)
    missed = [_show(name, mutant, options.seed) for name, mutant in MUTANTS.items()]
    return 0 if not wrong and all(missed) else 1


def _explore(first_seed: int, seconds: float) -> bool:
    """Try schedules and say how many; tells whether one was wrong."""
    seen: Counter[str] = Counter()
    begun = time.monotonic()
    batch = first_seed
    wrong = False
    while not wrong and time.monotonic() - begun < seconds:
        try:
            _batch(batch, seen)
        except AssertionError as error:
            _say(f"WRONG, in the schedules of seed {batch}: {error}")
            for note in getattr(error, "__notes__", ()):
                _say(note)
            wrong = True
        batch += 1
    took = time.monotonic() - begun
    _say(f"{seen.pop('schedules'):,} schedules in {took:.0f} s, from seed {first_seed}:")
    for name, count in sorted(seen.items()):
        _say(f"  {count:10,} {name}")
    return wrong


def _batch(number: int, seen: Counter[str]) -> None:
    @seed(number)
    @settings(
        max_examples=SCHEDULES_AT_ONCE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(schedules(EVERY_KIND))
    def every_accepted_task_ends_once(schedule: Schedule) -> None:
        world = World(schedule.seed)
        wrong = run(schedule, world)
        seen["schedules"] += 1
        seen["tasks accepted"] += len(world.accepted)
        seen["attempts lost with their worker"] += lost_attempts(world)
        seen["virtual seconds"] += round(world.loop.time())
        published = world.broker.published
        seen["messages sent again"] += published.total() - len(published)
        seen.update(f"faults: {fault.kind}" for fault in schedule.faults)
        assert wrong == [], "\n".join(wrong)

    every_accepted_task_ends_once()


def _show(name: str, mutant: Mutant, number: int) -> bool:
    """Show the shortest schedule that misses a rule; tells whether there is one."""
    kinds = tuple({fault.kind: None for fault in mutant.faults})
    _say(f"\nWithout {name}:")
    try:
        schedule = find(
            schedules(kinds),
            mutant.found_by,
            settings=settings(
                max_examples=SCHEDULES_A_MUTANT,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
            random=random.Random(number),
        )
    except NoSuchExample:
        _say("  NOT MISSED")
        return False
    world = World(schedule.seed)
    with mutant.remove():
        wrong = run(schedule, world)
    _say(f"  {schedule}")
    for line in world.journal:
        _say(f"  {str(line).splitlines()[0][:180]}")
    for what in wrong:
        _say(f"  => {what.splitlines()[0]}")
    return True


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
