"""The choice of a method, its reason, and the refusals that carry an estimate."""

from dataclasses import replace
from typing import cast

import pytest

from domain.execution import Method
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.method import Workload, choose_method, estimate_memory
from infrastructure.quantum.refusal import Reason, Refused

LIMITS = EngineLimits(simulator_memory_mb=1024)


def workload(qubits: int = 5, *, clifford: bool = False, bond: int = 0) -> Workload:
    return Workload(qubits=qubits, clifford=clifford, bond_exponent=bond)


@pytest.mark.parametrize("qubits", [1, 20, 5000])
def test_clifford_circuits_go_to_the_stabilizer_method_at_any_width(qubits: int) -> None:
    choice = choose_method("automatic", workload(qubits, clifford=True), LIMITS)
    assert choice.method == "stabilizer"
    assert "Clifford" in choice.reason


def test_other_circuits_go_to_the_statevector_while_it_fits() -> None:
    choice = choose_method("automatic", workload(26), LIMITS)
    assert choice.method == "statevector"
    assert choice.memory_bytes == 2**30
    assert "26 qubits needs 1 GiB" in choice.reason


def test_beyond_memory_automatic_refuses_with_the_estimates() -> None:
    with pytest.raises(Refused) as refused:
        choose_method("automatic", workload(27, bond=3), LIMITS)
    assert refused.value.code is Reason.TOO_MUCH_MEMORY
    assert "27 qubits needs 2 GiB" in refused.value.message
    assert "matrix_product_state" in refused.value.message


def test_an_operator_may_let_automatic_pass_on_to_matrix_product_states() -> None:
    limits = replace(LIMITS, automatic_matrix_product_state=True)
    choice = choose_method("automatic", workload(60, bond=3), limits)
    assert choice.method == "matrix_product_state"
    assert "60 qubits would need" in choice.reason


def test_matrix_product_states_are_not_chosen_when_they_may_not_fit_either() -> None:
    limits = replace(LIMITS, automatic_matrix_product_state=True)
    with pytest.raises(Refused) as refused:
        choose_method("automatic", workload(60, bond=30), limits)
    assert refused.value.code is Reason.TOO_MUCH_MEMORY


def test_the_stabilizer_method_is_refused_for_other_gates() -> None:
    with pytest.raises(Refused) as refused:
        choose_method("stabilizer", workload(), LIMITS)
    assert refused.value.code is Reason.UNSUITABLE_METHOD


@pytest.mark.parametrize(("method", "qubits"), [("statevector", 27), ("density_matrix", 14)])
def test_a_requested_method_that_does_not_fit_is_refused(method: str, qubits: int) -> None:
    with pytest.raises(Refused) as refused:
        choose_method(cast("Method", method), workload(qubits), LIMITS)
    assert refused.value.code is Reason.TOO_MUCH_MEMORY


def test_a_requested_method_that_fits_is_taken() -> None:
    assert choose_method("density_matrix", workload(3), LIMITS).method == "density_matrix"


def test_matrix_product_states_may_be_asked_for_whatever_the_bound_says() -> None:
    choice = choose_method("matrix_product_state", workload(60, bond=30), LIMITS)
    assert choice.method == "matrix_product_state"


def test_the_extended_stabilizer_method_is_refused_beyond_its_width() -> None:
    with pytest.raises(Refused) as refused:
        choose_method("extended_stabilizer", workload(64), LIMITS)
    assert refused.value.code is Reason.UNSUITABLE_METHOD


def test_a_statevector_is_sixteen_bytes_per_amplitude() -> None:
    assert estimate_memory("statevector", workload(10)) == 16 * 2**10


def test_a_density_matrix_is_sixteen_bytes_per_element() -> None:
    assert estimate_memory("density_matrix", workload(5)) == 16 * 4**5


def test_the_estimate_of_absurd_widths_is_still_readable() -> None:
    with pytest.raises(Refused) as refused:
        choose_method("statevector", workload(5000), LIMITS)
    assert "2^5004 bytes" in refused.value.message
