"""The model has teeth: with one rule removed, it finds what the rule is there for."""

import pytest

from tests.model.mutants import MUTANTS, without_redispatch
from tests.model.schedule import run

SEEDS = 100


def found(name: str) -> int | None:
    """Return the first seed that shows that a rule is missing."""
    mutant = MUTANTS[name]
    return next((s for s in range(SEEDS) if mutant.found_by(mutant.schedule(s))), None)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_removed_rule_is_missed(name: str) -> None:
    seed = found(name)
    assert seed is not None
    assert run(MUTANTS[name].schedule(seed)) == []


def test_it_is_the_early_acknowledgement_that_loses_tasks_of_killed_workers() -> None:
    name = "acknowledging after the claim, and that search"
    seed = found(name)
    assert seed is not None
    with without_redispatch():
        assert run(MUTANTS[name].schedule(seed)) == []
