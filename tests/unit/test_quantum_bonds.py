"""Bounds of the bond dimension."""

from qiskit import QuantumCircuit

from infrastructure.quantum.bonds import bond_exponent


def test_single_qubit_gates_build_no_bond() -> None:
    circuit = QuantumCircuit(34)
    circuit.h(range(34))
    circuit.t(range(34))
    assert bond_exponent(circuit) == 0


def test_one_layer_of_a_chain_has_bond_dimension_two() -> None:
    circuit = QuantumCircuit(10)
    for qubit in range(9):
        circuit.cx(qubit, qubit + 1)
    assert bond_exponent(circuit) == 1


def test_gates_over_a_distance_count_on_every_cut_they_cross() -> None:
    circuit = QuantumCircuit(6)
    circuit.cz(0, 5)
    circuit.cz(1, 4)
    circuit.cz(0, 3)
    assert bond_exponent(circuit) == 3


def test_no_cut_holds_more_than_its_smaller_side() -> None:
    circuit = QuantumCircuit(4)
    for _ in range(50):
        circuit.swap(1, 2)
    assert bond_exponent(circuit) == 2


def test_a_circuit_of_one_qubit_has_no_bond() -> None:
    assert bond_exponent(QuantumCircuit(1)) == 0
