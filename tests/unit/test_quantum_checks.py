"""Options outside their range and results over their size."""

from dataclasses import replace
from typing import Any

import pytest

from domain.execution import RunOptions
from infrastructure.quantum.checks import (
    check_counts_size,
    check_dynamic_work,
    check_memory_size,
    check_options,
)
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.refusal import Reason, Refused

LIMITS = EngineLimits(
    max_shots=1000, max_outcomes=50, max_result_bytes=1000, max_dynamic_operations=5000
)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"shots": 0}, Reason.INVALID_OPTION),
        ({"shots": 1001}, Reason.TOO_MANY_SHOTS),
        ({"seed": -1}, Reason.INVALID_OPTION),
        ({"seed": 2**63}, Reason.INVALID_OPTION),
        ({"method": "unitary"}, Reason.INVALID_OPTION),
        ({"timeout_seconds": 0}, Reason.INVALID_OPTION),
        ({"timeout_seconds": 601}, Reason.INVALID_OPTION),
        ({"timeout_seconds": float("nan")}, Reason.INVALID_OPTION),
    ],
)
def test_an_option_outside_its_range_is_refused(options: dict[str, Any], code: Reason) -> None:
    with pytest.raises(Refused) as refused:
        check_options(replace(RunOptions(), **{"shots": 10, **options}), LIMITS)
    assert refused.value.code is code


def test_options_at_the_edge_of_their_range_are_fine() -> None:
    check_options(RunOptions(1000, 2**63 - 1, timeout_seconds=600), LIMITS)


def test_shot_by_shot_work_is_bounded() -> None:
    check_dynamic_work(100, 50, LIMITS)
    with pytest.raises(Refused) as refused:
        check_dynamic_work(100, 51, LIMITS)
    assert refused.value.code is Reason.TOO_MUCH_WORK


def test_distinct_outcomes_are_bounded() -> None:
    check_counts_size(50, 2, LIMITS)
    with pytest.raises(Refused) as refused:
        check_counts_size(51, 2, LIMITS)
    assert refused.value.code is Reason.TOO_MANY_OUTCOMES


def test_the_bytes_of_a_result_are_bounded() -> None:
    for check in (check_counts_size, check_memory_size):
        with pytest.raises(Refused) as refused:
            check(10, 100, LIMITS)
        assert refused.value.code is Reason.RESULT_TOO_LARGE
