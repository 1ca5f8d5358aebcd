"""The support of stabilizer states, against exact statevectors."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from infrastructure.quantum.stabilizer import Support, draw_outcomes, support
from tests.support.chi_square import assert_plausible

ONE_QUBIT = ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg")
TWO_QUBITS = ("cx", "cy", "cz", "swap", "ecr")


def random_clifford(qubits: int, gates: int, seed: int) -> QuantumCircuit:
    choose = np.random.default_rng(seed)
    circuit = QuantumCircuit(qubits)
    for _ in range(gates):
        pair = [int(qubit) for qubit in choose.permutation(qubits)[:2]]
        if choose.random() < 0.5:
            getattr(circuit, str(choose.choice(ONE_QUBIT)))(pair[0])
        else:
            getattr(circuit, str(choose.choice(TWO_QUBITS)))(*pair)
    return circuit


def outcomes_of(found: Support, one_outcome: int) -> set[int]:
    """All outcomes of a support, by drawing far more shots than there are outcomes."""
    return set(draw_outcomes(found, one_outcome, 64 * 2**found.dimension, seed=1)[0])


@pytest.mark.parametrize("seed", range(25))
def test_the_support_is_that_of_the_exact_state(seed: int) -> None:
    circuit = random_clifford(qubits=4, gates=30, seed=seed)
    probabilities = Statevector(circuit).probabilities()
    possible = {outcome for outcome, p in enumerate(probabilities) if p > 1e-9}
    found = support(circuit, range(4))
    assert len(possible) == 2**found.dimension
    assert outcomes_of(found, min(possible)) == possible
    assert outcomes_of(found, max(possible)) == possible


@pytest.mark.parametrize("seed", range(10))
def test_the_support_of_some_qubits_is_their_marginal_in_the_given_order(seed: int) -> None:
    circuit = random_clifford(qubits=5, gates=40, seed=seed)
    qubits = [4, 1, 2]
    marginal = Statevector(circuit).probabilities(qubits)
    possible = {outcome for outcome, p in enumerate(marginal) if p > 1e-9}
    assert outcomes_of(support(circuit, qubits), next(iter(possible))) == possible


@pytest.mark.parametrize("seed", range(4))
def test_all_outcomes_are_equally_likely(seed: int) -> None:
    circuit = QuantumCircuit(6)
    circuit.h([0, 1, 2, 3])
    circuit.cx(0, 4)
    circuit.cx(1, 5)
    outcomes, which = draw_outcomes(support(circuit, range(6)), 0, 40_000, seed)
    assert len(outcomes) == 16
    assert_plausible(np.bincount(which).tolist(), [2500.0] * 16)


def test_a_thousand_qubits_in_one_cat_state_have_two_outcomes() -> None:
    circuit = QuantumCircuit(1000)
    circuit.h(0)
    for qubit in range(999):
        circuit.cx(qubit, qubit + 1)
    outcomes, which = draw_outcomes(support(circuit, range(1000)), 0, 10_000, 9)
    assert sorted(outcomes) == [0, 2**1000 - 1]
    assert 4700 < np.count_nonzero(which) < 5300


def test_a_state_without_chance_has_the_one_outcome() -> None:
    circuit = QuantumCircuit(3)
    circuit.x(1)
    outcomes, which = draw_outcomes(support(circuit, range(3)), 0b010, 5, 1)
    assert outcomes == [0b010]
    assert which.tolist() == [0] * 5


def test_the_same_seed_draws_the_same_shots() -> None:
    circuit = random_clifford(qubits=5, gates=60, seed=3)
    found = support(circuit, range(5))
    first, second = (draw_outcomes(found, 0, 1000, seed=11) for _ in range(2))
    assert first[0] == second[0]
    assert first[1].tolist() == second[1].tolist()
