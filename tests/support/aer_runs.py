"""Runs compiled programs on Aer, for tests of the front end alone."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from qiskit_aer import AerSimulator

from domain.execution import ParameterValue
from infrastructure.quantum.qasm import compile_program

_SIMULATOR = AerSimulator(method="statevector")


def counts(
    text: str,
    shots: int = 1,
    *,
    parameters: Mapping[str, ParameterValue] | None = None,
    measure_all: bool = False,
) -> dict[str, int]:
    """Return the outcomes of a program, without the bits that only hold intermediate values."""
    program = compile_program(text, parameters=parameters or {}, measure_all=measure_all)
    result: Any = _SIMULATOR.run(program.circuit, shots=shots, seed_simulator=11).result()
    assert result.success, result.status
    kept: Counter[str] = Counter()
    for key, number in result.get_counts().items():
        kept[key.partition(" ")[2] if program.scratch_bits else key] += number
    return dict(kept)


def outcome(text: str, **options: Any) -> str:
    """Return the only outcome of a program whose outcome is certain."""
    (key,) = counts(text, 20, **options)
    return key
