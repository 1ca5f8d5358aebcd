"""Drawing shots: the right distribution, and the same shots for the same seed."""

import numpy as np
import numpy.typing as npt
import pytest

from infrastructure.quantum.sampling import derive, draw, random_words, tally, uniforms
from tests.support.chi_square import assert_plausible

Probabilities = npt.NDArray[np.float64]

PINNED_WORDS = ["0x95a39fc0148281d6", "0x2e618079a831ffd5", "0x80a77a76d09be121"]


def assert_drawn_from(probabilities: Probabilities, outcomes: npt.NDArray[np.intp]) -> None:
    """Fail if the outcomes are no plausible sample of the distribution."""
    observed = np.bincount(outcomes, minlength=probabilities.size)
    assert observed[probabilities == 0].sum() == 0
    assert_plausible(observed.tolist(), (probabilities * outcomes.size).tolist())


@pytest.mark.parametrize("seed", [0, 1, 2, 2**63 - 1])
@pytest.mark.parametrize("outcomes", [2, 3, 17, 256])
def test_a_uniform_distribution_is_drawn_uniformly(seed: int, outcomes: int) -> None:
    probabilities = np.full(outcomes, 1 / outcomes)
    assert_drawn_from(probabilities, draw(probabilities, 50_000, seed))


@pytest.mark.parametrize("seed", range(4))
def test_a_skewed_distribution_with_gaps_is_drawn_as_it_is(seed: int) -> None:
    weights = np.array([0.0, 4.0, 0.0, 1.0, 0.5, 0.0, 3.0, 0.02, 0.0])
    probabilities = weights / weights.sum()
    assert_drawn_from(probabilities, draw(probabilities, 50_000, seed))


def test_neighbouring_seeds_draw_independent_shots() -> None:
    probabilities = np.full(2, 0.5)
    pairs = 2 * draw(probabilities, 50_000, 7) + draw(probabilities, 50_000, 8)
    assert_drawn_from(np.full(4, 0.25), pairs)


def test_an_outcome_of_probability_zero_never_occurs_even_at_the_edges() -> None:
    assert set(draw(np.array([0.0, 1.0, 0.0]), 10_000, 3).tolist()) == {1}


def test_rounding_errors_in_the_probabilities_do_no_harm() -> None:
    drawn = draw(np.array([-1e-17, 0.3, 0.7 + 1e-12, -1e-18]), 10_000, 3)
    assert set(drawn.tolist()) == {1, 2}


def test_the_random_words_of_a_seed_are_fixed_forever() -> None:
    assert [hex(word) for word in random_words(42, 3)] == PINNED_WORDS


def test_uniform_numbers_lie_in_the_half_open_unit_interval() -> None:
    numbers = uniforms(5, 100_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1


def test_derived_numbers_depend_on_seed_and_purpose() -> None:
    numbers = {derive(seed, purpose, 62) for seed in (1, 2) for purpose in ("a", "b")}
    assert len(numbers) == 4
    assert all(0 <= number < 2**62 for number in numbers)


@pytest.mark.parametrize("possible", [8, 10_000_000])
def test_a_tally_counts_each_outcome_in_ascending_order(possible: int) -> None:
    assert list(tally(np.array([5, 1, 5, 7, 1, 5]), possible).items()) == [(1, 2), (5, 3), (7, 1)]
