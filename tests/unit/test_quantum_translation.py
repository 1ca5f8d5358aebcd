"""Rewriting gates keeps what the circuit does, and refuses what a method cannot do."""

import math

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit.library import XXPlusYYGate
from qiskit.quantum_info import Operator

from infrastructure.quantum.refusal import Reason, Refused
from infrastructure.quantum.translation import native_gates, translate


def zoo() -> QuantumCircuit:
    circuit = QuantumCircuit(4)
    circuit.h(0)
    circuit.ch(0, 1)
    circuit.iswap(1, 2)
    circuit.cs(0, 3)
    circuit.rccx(0, 1, 2)
    circuit.mcp(0.7, [0, 1, 2], 3)
    circuit.dcx(2, 3)
    circuit.append(XXPlusYYGate(0.3, 0.1), [0, 2])
    return circuit


def clifford_zoo() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.rx(math.pi / 2, 0)
    circuit.rz(-math.pi / 2, 1)
    circuit.u(math.pi / 2, 0, math.pi, 2)
    circuit.iswap(0, 1)
    circuit.dcx(1, 2)
    circuit.cp(math.pi, 0, 2)
    circuit.rzz(math.pi / 2, 0, 1)
    circuit.p(math.pi / 2, 2)
    return circuit


@pytest.mark.parametrize("method", ["statevector", "density_matrix", "matrix_product_state"])
def test_translated_circuits_do_the_same_with_native_gates_alone(method: str) -> None:
    translated = translate(zoo(), method)
    assert native_gates(method).issuperset(translated.count_ops())
    assert Operator(translated).equiv(Operator(zoo()))


def test_clifford_gates_of_any_name_become_native_stabilizer_gates() -> None:
    translated = translate(clifford_zoo(), "stabilizer")
    assert native_gates("stabilizer").issuperset(translated.count_ops())
    assert Operator(translated).equiv(Operator(clifford_zoo()))


def test_native_circuits_are_not_touched() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    assert translate(circuit, "statevector") is circuit


@pytest.mark.parametrize("method", ["statevector", "stabilizer"])
def test_gates_inside_control_flow_are_translated_too(method: str) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], True)):
        circuit.iswap(0, 1)
    (block,) = translate(circuit, method).data[1].operation.blocks
    assert native_gates(method).issuperset(block.count_ops())


def test_a_gate_that_is_no_clifford_gate_is_refused_for_the_stabilizer_method() -> None:
    circuit = QuantumCircuit(1)
    circuit.rz(0.3, 0)
    with pytest.raises(Refused) as refused:
        translate(circuit, "stabilizer")
    assert refused.value.code is Reason.UNSUITABLE_METHOD


def test_a_gate_without_a_translation_is_refused() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Gate("mystery", 1, []), [0])
    with pytest.raises(Refused) as refused:
        translate(circuit, "statevector")
    assert refused.value.code is Reason.UNSUITABLE_METHOD
