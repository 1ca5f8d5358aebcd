"""From the text of a program to a circuit."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from openqasm3 import ast

from domain.execution import ParameterValue
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.flat import FlatReader
from infrastructure.quantum.qasm.interpreter import Interpreter
from infrastructure.quantum.qasm.program import Program, ProgramLimits
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.statement_parser import StatementParser

NO_PARAMETERS: Mapping[str, ParameterValue] = MappingProxyType({})
DEFAULT_LIMITS = ProgramLimits()

_NAMING = (
    ast.AliasStatement,
    ast.ClassicalDeclaration,
    ast.ConstantDeclaration,
    ast.IODeclaration,
    ast.QuantumGateDefinition,
    ast.QubitDeclaration,
    ast.SubroutineDefinition,
)
_RECURSION_LIMIT = 20_000


def compile_program(
    text: str,
    *,
    parameters: Mapping[str, ParameterValue] = NO_PARAMETERS,
    measure_all: bool = False,
    limits: ProgramLimits = DEFAULT_LIMITS,
) -> Program:
    """Compile an OpenQASM 2 or 3 program.

    Args:
        text: the program; the version is read from it.
        parameters: values for the program's `input` declarations, by name.
        measure_all: measure every qubit into one register at the end if the program measures
            nothing itself.
        limits: how much the program may ask for.

    Returns:
        The circuit and what a simulator wants to know about it.

    Raises:
        ProgramError: the program is refused; the code says why.
    """
    return _compile(text, parameters, limits, measure_all=measure_all, short_cut=True)


def _compile(
    text: str,
    parameters: Mapping[str, ParameterValue],
    limits: ProgramLimits,
    *,
    measure_all: bool,
    short_cut: bool,
) -> Program:
    source = Source(text, limits.max_bytes)
    interpreter = Interpreter(source, limits, parameters)
    with _deep_recursion():
        _run(source, interpreter, short_cut=short_cut)
    interpreter.check_parameters()
    implicit = _require_measurement(interpreter, measure_all=measure_all)
    builder = interpreter.builder
    return Program(
        circuit=builder.finish(),
        version=source.version,
        dynamic=builder.is_dynamic,
        clifford=builder.is_clifford,
        implicit_measurement=implicit,
        scratch_bits=builder.scratch_bits,
    )


def _run(source: Source, interpreter: Interpreter, *, short_cut: bool) -> None:
    """Run the program statement by statement, each as soon as it is read."""
    flat = FlatReader(source, interpreter)
    start = flat.run(source.start) if short_cut else source.start
    parser = StatementParser(source, start, interpreter.limits.max_nesting)
    while parser.token.kind != "end":
        statement = parser.statement()
        interpreter.run_global(statement)
        if short_cut and interpreter.is_straight:
            if isinstance(statement, _NAMING):
                flat.forget()
            start = flat.run(parser.token.start)
            if start != parser.token.start:
                parser.seek(start)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Leave room for programs as deep as the limits allow."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
    try:
        yield
    except RecursionError:
        raise ProgramError(Code.TOO_DEEPLY_NESTED, "the program is nested too deeply") from None
    finally:
        sys.setrecursionlimit(before)


def _require_measurement(interpreter: Interpreter, *, measure_all: bool) -> bool:
    """Make sure that the circuit measures something; return whether that had to be added."""
    builder = interpreter.builder
    if builder.measures:
        return False
    if not builder.qubits:
        raise ProgramError(
            Code.NO_MEASUREMENT, "the program declares no qubits, so there is nothing to measure"
        )
    if not measure_all:
        raise ProgramError(
            Code.NO_MEASUREMENT,
            "the program measures nothing; add a measurement such as 'c = measure q;',"
            ' or ask for "measure_all": true',
        )
    builder.measure_all()
    return True
