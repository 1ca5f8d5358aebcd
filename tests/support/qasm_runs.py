"""What tests of the OpenQASM front end ask of a program: its unitary, or why it is refused."""

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from infrastructure.quantum.qasm import Code, ProgramError, ProgramLimits, compile_program

DEFAULT_LIMITS = ProgramLimits()


def circuit(text: str) -> QuantumCircuit:
    """Return the compiled circuit; programs without a measurement are measured at the end."""
    return compile_program(text, measure_all=True).circuit


def unitary(text: str) -> Operator:
    """Return what a program without classical control does before its final measurement."""
    return Operator(circuit(text).remove_final_measurements(inplace=False))


def same(left: str, right: str) -> bool:
    """Return whether two programs have the same unitary, global phase included."""
    return bool(unitary(left) == unitary(right))


def refusal(text: str, limits: ProgramLimits = DEFAULT_LIMITS) -> ProgramError:
    """Return why a program is refused."""
    with pytest.raises(ProgramError) as caught:
        compile_program(text, measure_all=True, limits=limits)
    return caught.value


def place(text: str) -> tuple[Code, int | None, int | None]:
    """Return code, line and column of a refusal."""
    error = refusal(text)
    return error.code, error.line, error.column
