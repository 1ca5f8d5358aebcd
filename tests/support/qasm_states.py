"""Exact matrices of programs, for comparison with independent ones."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from infrastructure.quantum.qasm import compile_program

Matrix: TypeAlias = NDArray[np.complex128]


def compiled(text: str) -> QuantumCircuit:
    """Return the circuit of a program that measures nothing, without the final measurements."""
    circuit: QuantumCircuit = compile_program(text, measure_all=True).circuit
    circuit.remove_final_measurements()
    return circuit


def matrix(text: str) -> Matrix:
    """Return the unitary of a program, global phase included, in Qiskit's order of qubits."""
    return np.asarray(Operator(compiled(text)).data)


def controlled(unitary: Matrix, controls: int) -> Matrix:
    """Return a unitary under controls, which are the first qubits."""
    size = len(unitary)
    full: Matrix = np.eye(size << controls, dtype=np.complex128)
    active = (np.arange(size) << controls) | ((1 << controls) - 1)
    full[np.ix_(active, active)] = unitary
    return full
