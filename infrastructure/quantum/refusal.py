"""Why the engine does not run a program that the front end accepts, or stops running it."""

from enum import StrEnum


class Reason(StrEnum):
    """Stable codes of failed runs beside those of the front end.

    Clients and tests rely on the values; they never change their meaning.
    """

    INVALID_OPTION = "invalid_option"
    """A run option is outside its range."""

    TOO_MANY_SHOTS = "too_many_shots"
    """More shots than one run may have."""

    TOO_MUCH_WORK = "too_much_work"
    """Shots times operations of a circuit that has to be run shot by shot is over the limit."""

    TOO_MUCH_MEMORY = "too_much_memory"
    """The simulation needs more memory than one run may use."""

    TOO_MANY_OUTCOMES = "too_many_outcomes"
    """The counts would have more distinct outcomes than the limit."""

    RESULT_TOO_LARGE = "result_too_large"
    """Counts and memory would have more bytes than the limit."""

    UNSUITABLE_METHOD = "unsuitable_method"
    """The method that was asked for cannot run this circuit."""

    TOO_DEEPLY_NESTED = "too_deeply_nested"
    """The program is nested deeper than the engine can follow."""

    TOO_MUCH_CPU = "too_much_cpu"
    """The run took more processor time than the limit."""

    ENDLESS_LOOP = "endless_loop"
    """A loop that waits for an outcome did not end within its limit."""

    TIMEOUT = "timeout"
    """The run took more wall-clock time than its limit."""

    TOO_LARGE_TO_DRAW = "too_large_to_draw"
    """The circuit has more wires or operations than are drawn; it may run all the same."""

    CANCELLED = "cancelled"
    """The run was cancelled."""

    ENGINE_ERROR = "engine_error"
    """The engine failed; the program may be fine."""


class Refused(Exception):
    """The engine does not run this circuit.

    Attributes:
        code: see `Reason`.
        message: one sentence for a person, with what to do.
    """

    def __init__(self, code: Reason, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
