"""Final states of programs without measurement, for comparison with independent ones."""

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, Statevector

from infrastructure.quantum.qasm import compile_program

Vector = NDArray[np.complex128]


def compiled(text: str) -> QuantumCircuit:
    """Return the circuit of a program that measures nothing, without the final measurements."""
    circuit: QuantumCircuit = compile_program(text, measure_all=True).circuit
    circuit.remove_final_measurements()
    return circuit


def state(text: str) -> Vector:
    """Return the exact final state, global phase included."""
    vector: Vector = np.asarray(Statevector(compiled(text)).data)
    return vector


def matrix(text: str) -> Vector:
    """Return the exact unitary, global phase included, in Qiskit's order of qubits."""
    unitary: Vector = np.asarray(Operator(compiled(text)).data)
    return unitary


def controlled(unitary: Vector, controls: int) -> Vector:
    """Return a unitary under controls, which are the first qubits."""
    size = len(unitary)
    full: Vector = np.eye(size << controls, dtype=np.complex128)
    active = (np.arange(size) << controls) | ((1 << controls) - 1)
    full[np.ix_(active, active)] = unitary
    return full
