"""Why an OpenQASM program is refused: stable codes, one sentence, and a place in the text."""

from enum import StrEnum


class Code(StrEnum):
    """Stable identifiers of the reasons for which a program is refused.

    Clients and tests rely on the values; they never change their meaning.
    """

    PARSE_ERROR = "parse_error"
    """The text does not follow the grammar of the OpenQASM version it claims."""

    UNSUPPORTED_VERSION = "unsupported_version"
    """The version statement names an OpenQASM version other than 2.0, 3, 3.0 or 3.1."""

    UNSUPPORTED_FEATURE = "unsupported_feature"
    """Valid OpenQASM that this front end does not execute; the message names the feature."""

    UNKNOWN_GATE = "unknown_gate"
    """A gate is applied that is neither standard nor defined in the program."""

    UNDEFINED_NAME = "undefined_name"
    """A variable, register or subroutine is used before or without its declaration."""

    DUPLICATE_NAME = "duplicate_name"
    """A name is declared twice in one scope."""

    TYPE_ERROR = "type_error"
    """A value, operand or argument has the wrong type, count or width."""

    INVALID_VALUE = "invalid_value"
    """A value has no meaning where it stands: division by zero, an infinite angle, and so on."""

    INDEX_OUT_OF_RANGE = "index_out_of_range"
    """An index or slice reaches outside its register, array or integer."""

    RECURSIVE_DEFINITION = "recursive_definition"
    """A gate or subroutine calls itself, directly or through others."""

    PROGRAM_TOO_LARGE = "program_too_large"
    """The text has more bytes than the limit."""

    TOO_DEEPLY_NESTED = "too_deeply_nested"
    """Expressions, blocks or calls are nested deeper than the limit."""

    TOO_MANY_QUBITS = "too_many_qubits"
    """The program declares more qubits than the limit."""

    TOO_MANY_CLBITS = "too_many_clbits"
    """The program declares more classical bits than the limit."""

    TOO_MANY_OPERATIONS = "too_many_operations"
    """The unrolled circuit has more operations than the limit."""

    TOO_MANY_STEPS = "too_many_steps"
    """Unrolling loops and calls takes more evaluation steps than the limit."""

    TOO_MANY_CONTROLS = "too_many_controls"
    """A gate has more control qubits than the limit."""

    NO_MEASUREMENT = "no_measurement"
    """The program measures nothing, so it has no outcome to count."""

    MISSING_PARAMETER = "missing_parameter"
    """An `input` declaration has no value among the parameters of the request."""

    UNKNOWN_PARAMETER = "unknown_parameter"
    """The request has a parameter that no `input` declaration asks for."""


class ProgramError(Exception):
    """A program that cannot be compiled.

    Attributes:
        code: stable reason, see `Code`.
        message: one sentence for a person: what is wrong and, where possible, what to do.
        line: 1-based line in the program text, where one is known.
        column: 1-based column in that line, where one is known.
    """

    def __init__(
        self, code: Code, message: str, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """Return `code: message`, with the place in the text where it is known."""
        place = "" if self.line is None else f" (line {self.line}, column {self.column})"
        return f"{self.code}: {self.message}{place}"
