"""How many tasks a worker takes at a time."""

import itertools

import pytest

from service.worker.demand import AHEAD_SECONDS, MOST_AHEAD, Load, LookAhead, lowered, raised


def look_ahead_after(*runs: float) -> LookAhead:
    look_ahead = LookAhead()
    for seconds in runs:
        look_ahead.observe(seconds)
    return look_ahead


def test_nothing_is_taken_ahead_before_anything_is_known() -> None:
    assert LookAhead().depth == 0


def test_a_handful_of_small_circuits_opens_the_look_ahead() -> None:
    assert look_ahead_after(*[0.001] * 16).depth >= 8


def test_the_look_ahead_grows_step_by_step() -> None:
    look_ahead = look_ahead_after(3_600.0)
    depths = []
    for _ in range(40):
        look_ahead.observe(0.0005)
        depths.append(look_ahead.depth)
    assert depths == sorted(depths)
    assert all(after <= max(2, 2 * before) for before, after in itertools.pairwise(depths))
    assert depths[-1] == MOST_AHEAD


def test_the_work_ahead_stays_within_the_budget() -> None:
    for seconds in (0.001, 0.003, 0.008, 0.015):
        depth = look_ahead_after(*[seconds] * 60).depth
        assert depth >= 1
        assert depth * seconds <= AHEAD_SECONDS * 1.001


@pytest.mark.parametrize("seconds", [0.09, 0.5, 3_600.0])
def test_one_long_circuit_ends_the_look_ahead_at_once(seconds: float) -> None:
    look_ahead = look_ahead_after(*[0.001] * 50)
    look_ahead.observe(seconds)
    assert look_ahead.depth == 0


def test_one_hiccup_among_small_circuits_only_shortens_the_look_ahead() -> None:
    look_ahead = look_ahead_after(*[0.001] * 50)
    look_ahead.observe(0.025)
    assert 0 < look_ahead.depth < MOST_AHEAD // 2


def test_circuits_of_more_than_twenty_milliseconds_are_taken_one_by_one() -> None:
    assert look_ahead_after(*[0.021] * 50).depth == 0


def test_an_hour_long_circuit_is_forgotten_as_fast_as_a_short_one() -> None:
    assert look_ahead_after(3_600.0, *[0.001] * 16).depth >= 8


def test_a_run_of_no_time_at_all_is_no_division_by_zero() -> None:
    assert look_ahead_after(*[0.0] * 200).depth == MOST_AHEAD


def test_a_free_worker_asks_for_one_message_a_slot() -> None:
    load = Load(slots=4, stuck=0, claimed=0, unclaimed=0, depth=0)
    assert (load.claimable, load.fitting_demand) == (4, 4)


def test_long_circuits_hold_one_claim_a_slot_and_no_message_beside() -> None:
    load = Load(slots=4, stuck=3, claimed=4, unclaimed=0, depth=0)
    assert (load.claimable, load.fitting_demand, load.highest_demand) == (0, 0, 0)


def test_messages_in_hand_count_against_the_free_slots() -> None:
    load = Load(slots=4, stuck=1, claimed=1, unclaimed=2, depth=0)
    assert load.fitting_demand == 1
    assert load.highest_demand == 3


def test_small_circuits_are_claimed_ahead_and_as_many_messages_wait() -> None:
    load = Load(slots=2, stuck=0, claimed=10, unclaimed=3, depth=16)
    assert load.claimable == 24
    assert load.fitting_demand == 34


def test_a_claim_waits_until_it_is_worth_its_cost() -> None:
    assert Load(slots=1, stuck=0, claimed=6, unclaimed=9, depth=8).claimable == 0
    assert Load(slots=1, stuck=0, claimed=4, unclaimed=9, depth=8).claimable == 5


def test_a_free_slot_never_waits_for_a_worthwhile_claim() -> None:
    for depth in range(MOST_AHEAD + 1):
        assert Load(slots=1, stuck=0, claimed=0, unclaimed=1, depth=depth).claimable > 0
        assert Load(slots=4, stuck=3, claimed=3, unclaimed=1, depth=depth).claimable > 0


def test_a_stuck_slot_holds_one_claim_while_the_other_works_on() -> None:
    load = Load(slots=2, stuck=1, claimed=1, unclaimed=0, depth=8)
    assert load.claimable == 9
    assert load.fitting_demand == 9
    assert not load.crowded


def test_nothing_is_taken_when_every_slot_is_stuck() -> None:
    load = Load(slots=2, stuck=2, claimed=2, unclaimed=0, depth=8)
    assert (load.claimable, load.fitting_demand, load.highest_demand) == (0, 0, 0)
    assert load.crowded


def test_the_demand_goes_up_only_when_that_is_worth_a_round_trip() -> None:
    load = Load(slots=1, stuck=0, claimed=0, unclaimed=0, depth=8)
    assert raised(0, load) == 9
    assert raised(4, load) == 9
    assert raised(5, load) == 5
    assert raised(17, load) == 17


def test_the_demand_for_small_circuits_comes_down_late() -> None:
    load = Load(slots=1, stuck=0, claimed=3, unclaimed=9, depth=4)
    assert lowered(10, load) == 10
    assert lowered(11, load) == 5


def test_the_demand_for_long_circuits_comes_down_to_nothing_first() -> None:
    load = Load(slots=4, stuck=0, claimed=2, unclaimed=1, depth=0)
    assert lowered(2, load) == 2
    assert lowered(3, load) == 0
    assert raised(0, load) == 1
