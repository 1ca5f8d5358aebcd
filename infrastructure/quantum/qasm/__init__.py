"""The OpenQASM front end: program text in, Qiskit circuit out, or a reason with line and column."""

from infrastructure.quantum.qasm.compiler import compile_program
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.program import Program, ProgramLimits

__all__ = [
    "Code",
    "Program",
    "ProgramError",
    "ProgramLimits",
    "compile_program",
]
