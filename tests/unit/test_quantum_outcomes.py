"""Outcome keys in Qiskit's order."""

import pytest

from infrastructure.quantum.outcomes import KeyWriter, key_length, scattered_key_writer


@pytest.mark.parametrize(
    ("sizes", "outcome", "key"),
    [
        ((1,), 1, "1"),
        ((3,), 0b001, "001"),
        ((2, 1), 0b100, "1 00"),
        ((1, 2), 0b011, "01 1"),
        ((1, 1, 2), 0b1001, "10 0 1"),
    ],
)
def test_the_last_register_is_leftmost_and_bit_0_rightmost(
    sizes: tuple[int, ...], outcome: int, key: str
) -> None:
    assert KeyWriter(sizes)(outcome) == key
    assert key_length(sizes) == len(key)


def test_bits_that_are_never_measured_are_0() -> None:
    write = scattered_key_writer((2, 2), {3: 0, 0: 1}, bits=2)
    assert write(0b01) == "10 00"
    assert write(0b10) == "00 01"


def test_a_permutation_of_the_bits_is_followed() -> None:
    write = scattered_key_writer((3,), {0: 2, 1: 0, 2: 1}, bits=3)
    assert write(0b100) == "001"
    assert write(0b001) == "010"


def test_one_outcome_bit_may_fill_several_bits() -> None:
    assert scattered_key_writer((1, 2), {0: 0, 2: 0}, bits=1)(1) == "10 1"


def test_a_single_classical_bit_without_neighbours_has_a_key_of_one_character() -> None:
    assert scattered_key_writer((1,), {}, bits=1)(1) == "0"
