"""What a worker hands to an execution engine, and what comes back.

A run never raises for what a client wrote: a bad circuit is a `RunFailed` value with a stable
code. Exceptions are left for the engine's own faults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

Method: TypeAlias = Literal[
    "automatic",
    "statevector",
    "stabilizer",
    "matrix_product_state",
    "density_matrix",
    "extended_stabilizer",
]
METHODS: tuple[str, ...] = get_args(Method)

ParameterValue: TypeAlias = bool | int | float | list[Any]
"""A value for one `input` declaration of an OpenQASM 3 program; lists fill arrays."""

MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a circuit is to be run, as the client asked for it.

    Attributes:
        shots: number of repetitions, at least 1.
        seed: 0 to 2^63-1; `None` lets the engine draw one, which it reports.
        method: simulation method; `automatic` lets the engine choose and explain.
        memory: keep the outcome of every shot, in order.
        timeout_seconds: wall-clock limit of one run in seconds; `None` means the worker's default.
        measure_all: measure every qubit at the end if the circuit has no measurement.
    """

    shots: int = 1024
    seed: int | None = None
    method: Method = "automatic"
    memory: bool = False
    timeout_seconds: float | None = None
    measure_all: bool = False


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One circuit to run.

    Attributes:
        circuit: OpenQASM 2 or 3 text, or any other text a client sent.
        options: see `RunOptions`.
        parameters: values for the program's `input` declarations, by name.
    """

    circuit: str
    options: RunOptions = RunOptions()
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunSucceeded:
    """The outcome of a run that finished.

    Attributes:
        counts: outcome -> number of shots; keys in Qiskit bit order (bit 0 rightmost, the last
            declared register leftmost, a space between registers). Values sum to the shots.
        memory: the outcome of each shot in order, if it was asked for; same key format.
        execution: everything needed to run again and compare: seed, method and why, versions,
            hashes, sizes, durations in seconds. JSON-compatible.
    """

    counts: Mapping[str, int]
    memory: tuple[str, ...] | None
    execution: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunFailed:
    """Why a circuit cannot be run, for a person and for a program.

    Attributes:
        code: stable identifier such as `parse_error`, `too_many_qubits` or `timeout`.
        message: one sentence that says what is wrong and, where possible, what to do.
        line: 1-based line in the circuit text, where one is known.
        column: 1-based column in that line, where one is known.
    """

    code: str
    message: str
    line: int | None = None
    column: int | None = None


RunOutcome: TypeAlias = RunSucceeded | RunFailed
