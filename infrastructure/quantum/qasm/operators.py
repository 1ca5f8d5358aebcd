"""Operators on values: which type results, and the result of plain operands."""

import cmath
import math
import operator
from collections.abc import Callable
from typing import Any

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.types import (
    ANGLE,
    BIT,
    BOOL,
    COMPLEX,
    DURATION,
    FLOAT,
    INT,
    UINT,
    WORD,
    Duration,
    Kind,
    Plain,
    Scalar,
    Value,
)
from infrastructure.quantum.qasm.values import convert, failure, mismatch, real, scalar, wrapped

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
BITWISE: dict[str, Callable[[int, int], int]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
LOGICAL = ("&&", "||")
SHIFTS = ("<<", ">>")


def integer_type(kind: Scalar) -> Scalar:
    """Return the integer type that a bit or integer counts as in arithmetic."""
    if kind.is_integer:
        return kind
    if kind.kind is Kind.BIT and kind.width is not None:
        return Scalar(Kind.UINT, kind.width)
    if kind.kind in (Kind.BIT, Kind.BOOL):
        return INT
    raise mismatch(kind, "an integer")


def _joined(left: Scalar, right: Scalar) -> Scalar:
    left, right = integer_type(left), integer_type(right)
    width = None
    if left.width is not None and right.width is not None:
        width = max(left.width, right.width)
    return Scalar(Kind.INT if Kind.INT in (left.kind, right.kind) else Kind.UINT, width)


def arithmetic_type(symbol: str, left: Scalar, right: Scalar) -> Scalar:
    """Return the type of `left symbol right` for an arithmetic operator."""
    kinds = {left.kind, right.kind}
    if Kind.DURATION in kinds:
        return _duration_type(symbol, left, right)
    if Kind.COMPLEX in kinds and Kind.ANGLE not in kinds:
        return COMPLEX
    if Kind.ANGLE in kinds:
        return _angle_type(symbol, left, right)
    return FLOAT if Kind.FLOAT in kinds else _joined(left, right)


def _duration_type(symbol: str, left: Scalar, right: Scalar) -> Scalar:
    if symbol in ("+", "-") and left == right:
        return DURATION
    if (
        symbol in ("*", "/")
        and left.kind is not right.kind
        and not _is_duration_divisor(symbol, right)
    ):
        return DURATION
    if symbol == "/" and left == right:
        return FLOAT
    raise _no_operator(symbol, left, right)


def _is_duration_divisor(symbol: str, right: Scalar) -> bool:
    return symbol == "/" and right.kind is Kind.DURATION


def _angle_type(symbol: str, left: Scalar, right: Scalar) -> Scalar:
    is_pair = left.kind is right.kind
    if symbol == "/" and is_pair and left.width is not None and right.width is not None:
        return Scalar(Kind.UINT, max(left.width, right.width))
    if Kind.FLOAT in (left.kind, right.kind):
        return ANGLE
    if symbol in ("+", "-") and is_pair:
        width = max(left.width, right.width) if left.width and right.width else None
        return Scalar(Kind.ANGLE, width)
    if symbol == "*" or (symbol == "/" and left.kind is Kind.ANGLE):
        return ANGLE if is_pair else (left if left.kind is Kind.ANGLE else right)
    return ANGLE


def _no_operator(symbol: str, left: Scalar, right: Scalar) -> Exception:
    return failure(Code.TYPE_ERROR, f"'{symbol}' is not defined for {left} and {right}")


def bitwise_type(symbol: str, left: Scalar, right: Scalar) -> Scalar:
    """Return the type of `left symbol right` for `&`, `|` and `^`."""
    if left == right and left.bits is not None:
        return left
    if {left, right} == {BOOL, BIT}:
        return BIT
    if Kind.BIT in (left.kind, right.kind) and left.kind is right.kind:
        raise _no_operator(symbol, left, right)
    return _joined(left, right)


def shift_type(left: Scalar) -> Scalar:
    """Return the type of a shifted value."""
    return left if left.kind is Kind.ANGLE and left.width else _shifted(left)


def _shifted(left: Scalar) -> Scalar:
    return left if left.kind is Kind.BIT and left.width else integer_type(left)


def negated_type(operand: Scalar) -> Scalar:
    """Return the type of `-operand`."""
    if operand.kind in (Kind.BIT, Kind.BOOL):
        raise failure(Code.TYPE_ERROR, f"'-' is not defined for {operand}")
    return INT if operand == UINT else operand


def plain_binary(symbol: str, left: Value, right: Value, *, exact: bool) -> Value:
    """Return `left symbol right` for plain operands.

    Args:
        symbol: operator as in OpenQASM 3.
        left: left operand.
        right: right operand.
        exact: quotients and powers of integers are floats, as in OpenQASM 2.
    """
    left_type, right_type = scalar(left.type), scalar(right.type)
    if symbol in LOGICAL:
        one, two = convert(left, BOOL), convert(right, BOOL)
        return Value(BOOL, bool(one and two if symbol == "&&" else one or two))
    if symbol in COMPARISONS:
        return Value(BOOL, _compared(symbol, left, right))
    if symbol in BITWISE:
        kind = bitwise_type(symbol, left_type, right_type)
        bits = BITWISE[symbol](_integer(left), _integer(right))
        return Value(kind, bool(bits) if kind in (BIT, BOOL) else wrapped(bits, kind))
    if symbol in SHIFTS:
        kind = shift_type(left_type)
        return Value(kind, _plain_shift(symbol, kind, _integer(left), _integer(right)))
    if exact and symbol in ("/", "**"):
        left, right = Value(FLOAT, real(left)), Value(FLOAT, real(right))
    return _arithmetic(symbol, left, right)


def _integer(value: Value) -> int:
    if not isinstance(value.data, int):
        raise mismatch(value.type, "an integer")
    return int(value.data)


def _compared(symbol: str, left: Value, right: Value) -> bool:
    left_type, right_type = scalar(left.type), scalar(right.type)
    kinds = {left_type.kind, right_type.kind}
    one: Any
    two: Any
    if Kind.DURATION in kinds:
        one, two = _seconds(left), _seconds(right)
    elif Kind.COMPLEX in kinds:
        if symbol not in ("==", "!="):
            raise _no_operator(symbol, left_type, right_type)
        one, two = convert(left, COMPLEX), convert(right, COMPLEX)
    elif kinds & {Kind.ANGLE, Kind.FLOAT}:
        same_angles = left_type == right_type
        one = left.data if same_angles else real(left)
        two = right.data if same_angles else real(right)
    else:
        one, two = left.data, right.data
    return COMPARISONS[symbol](one, two)


def _seconds(value: Value) -> float:
    duration = value.data
    if not isinstance(duration, Duration):
        raise mismatch(value.type, DURATION)
    if not duration.known or duration.samples:
        raise failure(
            Code.UNSUPPORTED_FEATURE, "a 'stretch' or 'dt' has no length on an ideal simulator"
        )
    return duration.seconds


def _plain_shift(symbol: str, kind: Scalar, number: int, distance: int) -> int:
    width = kind.width
    if distance < 0:
        raise failure(Code.INVALID_VALUE, f"a shift by {distance} bits has no meaning")
    if width is None and distance >= WORD:
        raise failure(
            Code.INVALID_VALUE, f"a shift by {distance} bits leaves nothing of a {WORD}-bit integer"
        )
    if symbol == ">>":
        return number >> min(distance, (width or WORD))
    if width is not None and distance >= width:
        return 0
    return wrapped(number << distance, kind)


def _arithmetic(symbol: str, left: Value, right: Value) -> Value:
    left_type, right_type = scalar(left.type), scalar(right.type)
    kind = arithmetic_type(symbol, left_type, right_type)
    try:
        if DURATION in (kind, left_type):
            return Value(kind, _duration_arithmetic(symbol, left, right))
        if kind.kind in (Kind.FLOAT, Kind.COMPLEX) or kind == ANGLE:
            one, two = convert(left, kind), convert(right, kind)
            return Value(kind, _real_or_complex(symbol, one, two))
        number = _integer_arithmetic(symbol, _integer(left), _integer(right))
    except ZeroDivisionError:
        raise failure(Code.INVALID_VALUE, "division by zero") from None
    except (OverflowError, ValueError):
        raise failure(Code.INVALID_VALUE, f"the result of '{symbol}' is not a number") from None
    if isinstance(number, float):
        return Value(FLOAT, number)
    return Value(kind, wrapped(number, kind))


def _real_or_complex(symbol: str, left: Any, right: Any) -> Plain:
    match symbol:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            result = left / right
        case "%":
            result = math.fmod(left, right)
        case _:
            result = left**right
    is_real = isinstance(left, float)
    if is_real and isinstance(result, complex):
        raise failure(Code.INVALID_VALUE, "a negative number to a fractional power is not real")
    if not (math.isfinite(result) if is_real else cmath.isfinite(result)):
        raise OverflowError
    return result  # type: ignore[no-any-return]


def _integer_arithmetic(symbol: str, left: int, right: int) -> int | float:
    match symbol:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        case "%":
            return abs(left) % abs(right) * (-1 if left < 0 else 1)
        case _:
            return _integer_power(left, right)


def _integer_power(base: int, exponent: int) -> int | float:
    if exponent < 0:
        return float(base) ** exponent
    if abs(base) > 1 and exponent * (abs(base).bit_length() - 1) > WORD:
        raise OverflowError
    power = 1
    for _ in range(exponent if abs(base) > 1 else 2 - exponent % 2 if exponent else 0):
        power *= base
    return power


def _duration_arithmetic(symbol: str, left: Value, right: Value) -> Plain:
    if left.type == right.type and symbol == "/":
        return _seconds(left) / _seconds(right)
    one: Any = left.data
    two: Any = right.data
    if isinstance(one, Duration) and isinstance(two, Duration):
        sign = 1 if symbol == "+" else -1
        return Duration(
            one.seconds + sign * two.seconds,
            one.samples + sign * two.samples,
            one.known and two.known,
        )
    if isinstance(one, Duration):
        number = real(right)
        return _scaled(one, number if symbol == "*" else 1 / number)
    return _scaled(two, real(left))


def _scaled(duration: Duration, factor: float) -> Duration:
    return Duration(duration.seconds * factor, duration.samples * factor, duration.known)


def plain_unary(symbol: str, operand: Value) -> Value:
    """Return `symbol operand` for a plain operand."""
    kind = scalar(operand.type)
    data: Any = operand.data
    if symbol == "!":
        return Value(BOOL, not convert(operand, BOOL))
    if symbol == "~":
        if kind in (BOOL, BIT):
            return Value(kind, not data)
        return Value(kind, wrapped(~_integer(operand), kind))
    kind = negated_type(kind)
    if isinstance(data, Duration):
        return Value(kind, Duration(-data.seconds, -data.samples, data.known))
    return Value(kind, -data if isinstance(data, (float, complex)) else wrapped(-data, kind))
