"""Every limit has a setting and a default, and a bad setting is named."""

import json
from dataclasses import fields

import pytest

from infrastructure.quantum.limits import EngineLimits, InvalidLimitError


def test_nothing_set_means_the_defaults() -> None:
    assert EngineLimits.from_environment({"UNRELATED": "x"}) == EngineLimits()


@pytest.mark.parametrize("name", [field.name for field in fields(EngineLimits)])
def test_each_limit_is_read_from_the_setting_of_its_name(name: str) -> None:
    default = getattr(EngineLimits(), name)
    text, value = ("true", True) if isinstance(default, bool) else ("17", 17)
    assert getattr(EngineLimits.from_environment({name.upper(): text}), name) == value


def test_an_empty_setting_means_the_default() -> None:
    assert EngineLimits.from_environment({"MAX_QUBITS": " "}).max_qubits == 10_000


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "nan"])
def test_a_bad_number_is_refused_by_the_name_of_its_setting(text: str) -> None:
    with pytest.raises(InvalidLimitError, match="MAX_QUBITS must be"):
        EngineLimits.from_environment({"MAX_QUBITS": text})


def test_a_bad_switch_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(InvalidLimitError, match="AUTOMATIC_MATRIX_PRODUCT_STATE must be"):
        EngineLimits.from_environment({"AUTOMATIC_MATRIX_PRODUCT_STATE": "perhaps"})


def test_limits_survive_the_way_to_a_child_process() -> None:
    limits = EngineLimits(max_qubits=7, default_timeout_seconds=1.5)
    assert EngineLimits.from_json(json.loads(json.dumps(limits.to_json()))) == limits


@pytest.mark.parametrize(("asked", "granted"), [(None, 60.0), (5.0, 5.0), (1e9, 600.0)])
def test_the_wall_clock_limit_is_what_was_asked_up_to_the_ceiling(
    asked: float | None, granted: float
) -> None:
    assert EngineLimits().timeout(asked) == granted
