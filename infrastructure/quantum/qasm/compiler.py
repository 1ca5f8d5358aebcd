"""From the text of a program to a circuit."""

from collections.abc import Mapping
from types import MappingProxyType

from domain.execution import ParameterValue
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.program import Program, ProgramLimits

NO_PARAMETERS: Mapping[str, ParameterValue] = MappingProxyType({})
DEFAULT_LIMITS = ProgramLimits()


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
    raise ProgramError(
        Code.UNSUPPORTED_FEATURE,
        f"programs of {len(text)} characters are not compiled yet"
        f" ({len(parameters)} parameters, measure_all={measure_all}, {limits})",
    )
