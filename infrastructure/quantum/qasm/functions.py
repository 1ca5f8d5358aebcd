"""Built-in constants and functions of OpenQASM 2 and 3."""

import cmath
import math
from collections.abc import Callable
from typing import cast

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.types import (
    COMPLEX,
    FLOAT,
    INT,
    UINT,
    Bits,
    Kind,
    Scalar,
    Value,
)
from infrastructure.quantum.qasm.values import (
    bits_of,
    convert,
    failure,
    from_bits,
    mismatch,
    real,
    scalar,
    whole,
)

CONSTANTS: dict[str, float] = {
    "pi": math.pi,
    "π": math.pi,
    "tau": math.tau,
    "τ": math.tau,
    "euler": math.e,
    "ℇ": math.e,
}

_REAL: dict[str, Callable[[float], float]] = {
    "arccos": math.acos,
    "acos": math.acos,
    "arcsin": math.asin,
    "asin": math.asin,
    "arctan": math.atan,
    "atan": math.atan,
    "cos": math.cos,
    "sin": math.sin,
    "tan": math.tan,
    "exp": math.exp,
    "ln": math.log,
    "log": math.log,
    "sqrt": math.sqrt,
}
_COMPLEX: dict[str, Callable[[complex], complex]] = {
    name: getattr(cmath, name) for name in ("cos", "sin", "tan", "exp", "sqrt", "log")
}
_ARITY = {
    **dict.fromkeys(_REAL, 1),
    **dict.fromkeys(("ceiling", "floor", "popcount", "real", "imag", "abs"), 1),
    **dict.fromkeys(("mod", "pow", "rotl", "rotr"), 2),
}
BIT_FUNCTIONS = frozenset({"popcount", "rotl", "rotr"})


def is_builtin(name: str) -> bool:
    """Whether a function is part of the language."""
    return name in _ARITY


def check_arity(name: str, count: int) -> None:
    """Refuse a call with the wrong number of arguments."""
    if _ARITY[name] != count:
        raise failure(Code.TYPE_ERROR, f"'{name}' takes {_ARITY[name]} arguments, not {count}")


def plain_call(name: str, arguments: list[Value]) -> Value:
    """Return the result of a built-in function of plain arguments, `pow` and `mod` excepted."""
    value = arguments[0]
    kind = scalar(value.type)
    try:
        return _call(name, kind, value)
    except (ValueError, OverflowError):
        raise failure(Code.INVALID_VALUE, f"'{name}' has no value for {value.data}") from None


def _call(name: str, kind: Scalar, value: Value) -> Value:
    if name in ("ceiling", "floor"):
        number = real(value)
        return Value(INT, math.ceil(number) if name == "ceiling" else math.floor(number))
    if name in ("real", "imag"):
        parts = _complex(value)
        return Value(FLOAT, parts.real if name == "real" else parts.imag)
    if kind.kind is Kind.COMPLEX:
        if name not in _COMPLEX:
            raise mismatch(kind, f"an argument of '{name}'")
        return Value(COMPLEX, _COMPLEX[name](_complex(value)))
    if name == "abs":
        return Value(INT, abs(whole(value))) if kind.is_integer else Value(FLOAT, abs(real(value)))
    return Value(FLOAT, _REAL[name](real(value)))


def _complex(value: Value) -> complex:
    return cast("complex", convert(value, COMPLEX))


def popcount(value: Value, add: Callable[[Bits, Bits], Bits]) -> Value:
    """Return the number of bits set.

    Args:
        value: bits, or an integer or angle with a size.
        add: sum of two numbers of equal width.
    """
    bits = _bits(value, "popcount")
    kind = Scalar(Kind.UINT, len(bits).bit_length())
    total: Bits = (False,) * len(bits).bit_length()
    for bit in bits:
        total = add(total, (bit,) + (False,) * (len(total) - 1))
    return Value(UINT, from_bits(kind, total) if not _is_known(total) else _number(total))


def _is_known(bits: Bits) -> bool:
    return all(isinstance(bit, bool) for bit in bits)


def _number(bits: Bits) -> int:
    return sum(1 << place for place, bit in enumerate(bits) if bit)


def rotate(name: str, value: Value, distance: int) -> Value:
    """Return bits rotated: `rotl` towards the most significant one, `rotr` away from it."""
    bits = _bits(value, name)
    turn = (-distance if name == "rotl" else distance) % len(bits)
    kind = scalar(value.type)
    return Value(kind, from_bits(kind, bits[turn:] + bits[:turn]))


def _bits(value: Value, name: str) -> Bits:
    kind = scalar(value.type)
    if kind.bits is None:
        raise mismatch(kind, f"an argument of '{name}'")
    return bits_of(kind, value.data)
