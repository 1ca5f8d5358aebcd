"""The schedule of a chaos run follows from its seed alone."""

from itertools import takewhile

from tests.faults.chaos.run import Options
from tests.faults.chaos.scenario import all_scenarios
from tests.faults.chaos.schedule import Round, rounds

SCENARIOS = all_scenarios()


def first_passes(seed: int, count: int) -> list[Round]:
    return list(takewhile(lambda each: each.in_pass <= count, rounds(seed, SCENARIOS)))


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert first_passes(7, 3) == first_passes(7, 3)
    assert first_passes(7, 3) != first_passes(8, 3)


def test_every_kind_comes_once_in_each_pass() -> None:
    names = [fault.scenario for each in first_passes(1, 5) for fault in each.faults]
    assert sorted(names) == sorted(5 * list(SCENARIOS))


def test_faults_of_one_round_are_done_to_different_parts() -> None:
    for each in first_passes(1, 20):
        parts = [part for fault in each.faults for part in SCENARIOS[fault.scenario].touches]
        assert len(parts) == len(set(parts))


def test_every_kind_says_what_it_shows() -> None:
    assert all(scenario.shows.endswith(".") for scenario in SCENARIOS.values())


def test_a_run_ends_after_the_time_and_enough_passes() -> None:
    options = Options(minutes=4.0, passes=3, seed=1, rate=1.0)
    by_pass = {each.in_pass: each for each in first_passes(1, 4)}
    assert not options.over(239.0, by_pass[3])
    assert options.over(241.0, by_pass[3])
    assert not options.over(241.0, by_pass[2])
    assert options.over(1.0, by_pass[4])
