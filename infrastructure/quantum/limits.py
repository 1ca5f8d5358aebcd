"""What one run may cost. Every limit has a setting, a default and an error code."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


class InvalidLimit(ValueError):
    """A setting holds something that is no usable limit."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The limits of the engine. The setting of each field is its name in capitals.

    Attributes:
        max_circuit_bytes: size of the circuit text in UTF-8 (`program_too_large`).
        max_nesting: depth of parentheses, blocks and calls (`too_deeply_nested`).
        max_qubits: qubits of one program (`too_many_qubits`).
        max_clbits: classical bits of one program (`too_many_clbits`).
        max_operations: operations after unrolling (`too_many_operations`).
        max_steps: evaluation steps while unrolling (`too_many_steps`).
        max_shots: repetitions of one run (`too_many_shots`).
        max_dynamic_operations: shots times operations of a circuit that has to be run shot by
            shot (`too_much_work`).
        max_outcomes: distinct outcomes in the counts (`too_many_outcomes`).
        max_result_bytes: size of counts and memory together (`result_too_large`).
        default_timeout_seconds: wall clock of a run that names no limit (`timeout`).
        max_timeout_seconds: highest wall clock limit a run may name (`invalid_option`).
        simulator_memory_mb: memory in MiB that one run may use (`too_much_memory`).
        simulator_cpu_seconds: processor time of one run in seconds (`too_much_cpu`).
        simulator_threads: threads of one simulator; the wall clock changes, the counts do not.
        simulator_recycle_mb: a simulator whose resident memory in MiB stays above this after a
            run is replaced by a fresh one.
    """

    max_circuit_bytes: int = 1_048_576
    max_nesting: int = 64
    max_qubits: int = 10_000
    max_clbits: int = 20_000
    max_operations: int = 500_000
    max_steps: int = 2_000_000
    max_shots: int = 1_000_000
    max_dynamic_operations: int = 500_000_000
    max_outcomes: int = 100_000
    max_result_bytes: int = 8_388_608
    default_timeout_seconds: float = 60.0
    max_timeout_seconds: float = 600.0
    simulator_memory_mb: int = 4096
    simulator_cpu_seconds: int = 900
    simulator_threads: int = 1
    simulator_recycle_mb: int = 768

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidLimit(f"{limit.name.upper()} must be above zero, not {value!r}.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the limits that `environment` sets; the others keep their defaults.

        Raises:
            InvalidLimit: a setting is not a number above zero.
        """
        chosen: dict[str, Any] = {}
        for limit in fields(cls):
            setting = limit.name.upper()
            text = environment.get(setting, "").strip()
            if text:
                chosen[limit.name] = _number(setting, text, whole=limit.type is int)
        return cls(**chosen)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild the limits from `to_json`."""
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """The limits as a JSON-compatible mapping."""
        return asdict(self)

    def timeout(self, asked: float | None) -> float:
        """The wall-clock limit in seconds of a run that asked for `asked`."""
        return min(
            self.default_timeout_seconds if asked is None else asked, self.max_timeout_seconds
        )


def _number(setting: str, text: str, *, whole: bool) -> int | float:
    try:
        return int(text.replace("_", "")) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise InvalidLimit(f"{setting} must be {kind} above zero, not {text!r}.") from None
