"""Verdicts on what the engine did with a circuit."""

from typing import Any

import pytest

from domain.execution import RunFailed, RunSucceeded
from infrastructure.quantum.comparison import (
    Observation,
    expected_distance,
    judge,
    variation_distance,
)

RUN = {"expect": "run", "probabilities": {"0": 0.5, "1": 0.5}}
REFUSAL = RunFailed("too_many_qubits", "no", 1, 2)


def observe(outcome: Any, seconds: float = 0.1, peak: int | None = 1) -> Observation:
    return Observation(outcome, seconds, peak)


def succeeded(counts: dict[str, int]) -> RunSucceeded:
    return RunSucceeded(counts, None, {"method": "statevector"})


@pytest.mark.parametrize(
    ("row", "seen", "verdict"),
    [
        (RUN, observe(succeeded({"0": 498, "1": 502})), "pass"),
        (RUN, observe(succeeded({"0": 400, "1": 600})), "wrong"),
        (RUN, observe(succeeded({"00": 498, "11": 502})), "wrong"),
        (RUN, observe(REFUSAL), "refused"),
        (RUN, observe("the simulator died"), "wrong"),
        ({**RUN, "expect": "slow"}, observe(RunFailed("timeout", "late")), "pass"),
        ({**RUN, "expect": "slow"}, observe(REFUSAL), "refused"),
        ({"expect": "fail"}, observe(REFUSAL), "pass"),
        ({"expect": "hang"}, observe(succeeded({"0": 1000})), "wrong"),
        ({"expect": "hang"}, observe(REFUSAL, seconds=11), "wrong"),
        ({"expect": "too_large"}, observe(REFUSAL, peak=2**31), "wrong"),
        ({"expect": "fail"}, observe(RunFailed("engine_error", "oops")), "wrong"),
    ],
)
def test_a_row_gets_its_verdict(row: dict[str, Any], seen: Observation, verdict: str) -> None:
    assert judge(row, seen, shots=1000)[0] == verdict


def test_the_mass_of_unlisted_outcomes_counts_as_one_outcome() -> None:
    assert variation_distance({"0": 0.5}, {"0": 50, "1": 30, "2": 20}, 100) == 0
    assert variation_distance({"0": 0.9}, {"0": 50, "1": 50}, 100) == pytest.approx(0.4)


def test_a_sampled_reference_adds_its_own_noise() -> None:
    sampled = {**RUN, "source_of_probabilities": "100 shots seed_simulator=9"}
    off = observe(succeeded({"0": 455, "1": 545}))
    assert judge(RUN, off, shots=1000)[0] == "wrong"
    assert judge(sampled, off, shots=1000)[0] == "pass"


def test_more_shots_mean_less_expected_distance() -> None:
    flat = {str(outcome): 1 / 16 for outcome in range(16)}
    assert expected_distance(flat, 40_000) == pytest.approx(expected_distance(flat, 100) / 20)
