"""What one run may cost. Every limit has a setting, a default and an error code."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

_SWITCH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class InvalidLimitError(ValueError):
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
        max_loop_seconds: processor time in seconds of the first shot of a circuit with a loop that
            outcomes steer (`endless_loop`).
        simulator_threads: threads of one simulator; the wall clock changes, the counts do not.
        simulator_recycle_mb: a simulator whose resident memory in MiB stays above this after a
            run is replaced by a fresh one.
        automatic_matrix_product_state: let the automatic choice of a method pass on to matrix
            product states where a statevector does not fit. Their time is hard to foresee and
            they truncate, so that the choice is left to the operator and to each client.
    """

    max_circuit_bytes: int = 1_048_576
    max_nesting: int = 64
    max_qubits: int = 10_000
    max_clbits: int = 20_000
    max_operations: int = 500_000
    max_steps: int = 300_000
    max_shots: int = 1_000_000
    max_dynamic_operations: int = 500_000_000
    max_outcomes: int = 100_000
    max_result_bytes: int = 8_388_608
    default_timeout_seconds: float = 60.0
    max_timeout_seconds: float = 600.0
    simulator_memory_mb: int = 4096
    simulator_cpu_seconds: int = 900
    max_loop_seconds: float = 5.0
    simulator_threads: int = 1
    simulator_recycle_mb: int = 768
    automatic_matrix_product_state: bool = False

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not isinstance(value, bool) and not (math.isfinite(value) and value > 0):
                raise InvalidLimitError(f"{limit.name.upper()} must be above zero, not {value!r}.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the limits that `environment` sets; the others keep their defaults.

        Raises:
            InvalidLimitError: a setting is not a number above zero.
        """
        chosen: dict[str, Any] = {}
        for limit in fields(cls):
            setting = limit.name.upper()
            text = environment.get(setting, "").strip()
            if text:
                chosen[limit.name] = _parse(setting, text, limit.type)
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


def _parse(setting: str, text: str, kind: object) -> bool | int | float:
    if kind is bool:
        if text.lower() not in _SWITCH:
            raise InvalidLimitError(f"{setting} must be true or false, not {text!r}.")
        return _SWITCH[text.lower()]
    try:
        return int(text.replace("_", "")) if kind is int else float(text)
    except ValueError:
        article = "a whole number" if kind is int else "a number"
        raise InvalidLimitError(f"{setting} must be {article} above zero, not {text!r}.") from None
