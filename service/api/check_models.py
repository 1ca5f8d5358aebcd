"""Answers about circuits that were looked at without being run."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from domain.execution import Method


class _Said(BaseModel):
    """What a worker said: fields that this version does not know are left out."""

    model_config = ConfigDict(extra="ignore")


class Register(_Said):
    """A classical register of the outcome."""

    name: str = Field(examples=["c"])
    bits: int = Field(ge=0, examples=[2])


class ExpectedSeconds(_Said):
    """A range; `docs/execution.md` says how it is made and how often runs are inside."""

    low: float = Field(ge=0, examples=[0.0009])
    high: float = Field(ge=0, examples=[0.004])


class RunnableCircuit(_Said):
    """A circuit that can be run, and what its run would be like. Sizes are after unrolling."""

    runnable: Literal[True]
    openqasm: str = Field(examples=["3.0"], description="Version of the language.")
    qubits: int
    clbits: int
    depth: int
    operations: dict[str, int] = Field(
        description="How often each gate and other operation occurs.",
        examples=[{"h": 1, "cx": 1, "measure": 2}],
    )
    registers: list[Register] = Field(description="In order of declaration.")
    measure_all: bool = Field(description="Whether the measurement of all qubits was added.")
    simulated_qubits: int = Field(description="Qubits that can influence an outcome.")
    method: Method
    method_reason: str
    sampler: str = Field(
        description="How shots are drawn.",
        examples=["exact_probabilities", "stabilizer_support", "final_state", "shot_by_shot"],
    )
    memory_bytes: int = Field(description="What the simulated state occupies at most.")
    shots: int
    expected_seconds: ExpectedSeconds
    timeout_seconds: float = Field(description="When the run would be stopped.")
    warnings: list[str] = Field(description="What speaks against running it as it is.")


class CircuitError(_Said):
    """What is wrong with a circuit, and where."""

    code: str = Field(examples=["parse_error"])
    message: str = Field(examples=["expected ';', found the end of the program"])
    line: int = Field(default=1, ge=1, description="Absent where it is not known.")
    column: int = Field(default=1, ge=1, description="Absent where it is not known.")


class RefusedCircuit(_Said):
    """A circuit that cannot be run; `error_code` and `error_message` are those of its task."""

    runnable: Literal[False]
    error_code: str = Field(examples=["parse_error"])
    error_message: str = Field(
        examples=["line 1, column 5: expected ';', found the end of the program"]
    )
    errors: list[CircuitError]


class CircuitCheck(RootModel[RunnableCircuit | RefusedCircuit]):
    """Whether a circuit can be run, and what that would be like or why not."""
