"""Which circuits have one final state, and what is kept of them."""

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from infrastructure.quantum.terminal import terminal_circuit


def test_gates_behind_the_measured_qubits_are_kept_in_order() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    terminal = terminal_circuit(circuit)
    assert terminal is not None
    assert [instruction.name for instruction in terminal.gates.data] == ["h", "cx"]
    assert terminal.qubits == (0, 1)
    assert terminal.sources == {0: 0, 1: 1}


def test_qubits_outside_the_light_cone_are_left_out() -> None:
    circuit = QuantumCircuit(40, 1)
    circuit.h(range(40))
    circuit.cx(7, 30)
    circuit.measure(30, 0)
    terminal = terminal_circuit(circuit)
    assert terminal is not None
    assert terminal.gates.num_qubits == 2
    assert terminal.qubits == (1,)


def test_a_gate_after_the_measurement_of_another_qubit_still_counts() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    circuit.x(1)
    circuit.measure(1, 1)
    terminal = terminal_circuit(circuit)
    assert terminal is not None
    assert dict(terminal.gates.count_ops()) == {"x": 1}


def test_the_last_measurement_into_a_bit_wins() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.measure(1, 0)
    terminal = terminal_circuit(circuit)
    assert terminal is not None
    assert terminal.gates.num_qubits == 1
    assert terminal.gates.size() == 0


def test_one_qubit_measured_into_two_bits_gives_both_the_same_outcome() -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.h(0)
    circuit.measure(0, 1)
    circuit.measure(0, 0)
    terminal = terminal_circuit(circuit)
    assert terminal is not None
    assert terminal.sources == {0: 0, 1: 0}


def test_a_reset_of_an_untouched_qubit_is_dropped() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.reset(0)
    circuit.h(0)
    circuit.measure(0, 0)
    terminal = terminal_circuit(circuit)
    assert terminal is not None
    assert dict(terminal.gates.count_ops()) == {"h": 1}


def gate_after_measurement(circuit: QuantumCircuit) -> None:
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)


def reset_after_gate(circuit: QuantumCircuit) -> None:
    circuit.h(0)
    circuit.reset(0)
    circuit.measure(0, 0)


def reset_after_measurement(circuit: QuantumCircuit) -> None:
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.measure(0, 1)


def condition(circuit: QuantumCircuit) -> None:
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], True)):
        circuit.x(1)


def loop(circuit: QuantumCircuit) -> None:
    circuit.measure(0, 0)
    with circuit.while_loop((circuit.clbits[0], True)):
        circuit.measure(0, 0)


@pytest.mark.parametrize(
    "build",
    [gate_after_measurement, reset_after_gate, reset_after_measurement, condition, loop],
)
def test_a_circuit_that_goes_on_after_an_outcome_has_no_single_final_state(build) -> None:  # type: ignore[no-untyped-def]
    circuit = QuantumCircuit(2, 2)
    build(circuit)
    assert terminal_circuit(circuit) is None


def test_leaving_gates_out_does_not_change_the_outcomes() -> None:
    circuit = QuantumCircuit(5, 2)
    circuit.ry(0.3, 0)
    circuit.crx(1.1, 0, 2)
    circuit.rzz(0.7, 1, 3)
    circuit.cp(0.4, 2, 4)
    circuit.h(4)
    circuit.barrier()
    circuit.measure([4, 0], [0, 1])
    terminal = terminal_circuit(circuit)
    assert terminal is not None
    found = Statevector(terminal.gates).probabilities(list(terminal.qubits))
    exact = Statevector(circuit.remove_final_measurements(inplace=False)).probabilities([4, 0])
    assert found == pytest.approx(exact)
