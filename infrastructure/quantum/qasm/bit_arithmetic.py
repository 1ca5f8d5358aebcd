"""Operators on values that depend on measurement outcomes, done bit by bit."""

from infrastructure.quantum.qasm import wires
from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.operators import (
    COMPARISONS,
    LOGICAL,
    SHIFTS,
    arithmetic_type,
    bitwise_type,
    integer_type,
    negated_type,
    shift_type,
)
from infrastructure.quantum.qasm.state import State
from infrastructure.quantum.qasm.types import BOOL, Bits, Kind, Scalar, Value
from infrastructure.quantum.qasm.values import (
    Undecided,
    bits_of,
    convert,
    failure,
    from_bits,
    resized,
    scalar,
    truth,
    undecided,
    whole,
)
from infrastructure.quantum.qasm.wires import Bit

_BITWISE = {"&": wires.both, "|": wires.either, "^": wires.differ}


def binary(state: State, symbol: str, left: Value, right: Value) -> Value:
    """Return `left symbol right` where at least one operand depends on an outcome."""
    left_type, right_type = scalar(left.type), scalar(right.type)
    if symbol in LOGICAL:
        combine = wires.both if symbol == "&&" else wires.either
        bit = combine(truth(_bits(left)), truth(_bits(right)))
        return Value(BOOL, from_bits(BOOL, (state.compact(bit),)))
    if symbol in COMPARISONS:
        return Value(BOOL, from_bits(BOOL, (_compare(state, symbol, left, right),)))
    if symbol in _BITWISE:
        kind = bitwise_type(symbol, left_type, right_type)
        pairs = zip(_widened(left, kind), _widened(right, kind), strict=True)
        bits = tuple(state.compact(_BITWISE[symbol](one, two)) for one, two in pairs)
        return Value(kind, from_bits(kind, bits))
    if symbol in SHIFTS:
        return _shift(symbol, left, right)
    return _arithmetic(state, symbol, left, right)


def unary(state: State, symbol: str, operand: Value) -> Value:
    """Return `symbol operand` where the operand depends on an outcome."""
    kind = scalar(operand.type)
    bits = _bits(operand)
    if symbol == "!":
        return Value(BOOL, from_bits(BOOL, (state.compact(wires.invert(truth(bits))),)))
    inverted = tuple(wires.invert(bit) for bit in bits)
    if symbol == "~":
        return Value(kind, from_bits(kind, inverted))
    kind = negated_type(kind)
    return Value(kind, from_bits(kind, _sum(state, inverted, (False,) * len(bits), carry=True)))


def add(state: State, one: Bits, two: Bits) -> Bits:
    """Return the sum of two numbers of equal width, which wraps around."""
    return _sum(state, one, two, carry=False)


def _bits(value: Value) -> Bits:
    kind = scalar(value.type)
    if kind.bits is None:
        return (bool(convert(value, BOOL)),)
    return bits_of(kind, value.data)


def _widened(value: Value, kind: Scalar) -> Bits:
    source = scalar(value.type)
    return resized(source, bits_of(source, value.data), kind.bits or 1)


def _shift(symbol: str, left: Value, right: Value) -> Value:
    if isinstance(right.data, tuple):
        raise undecided(right.data)
    kind = shift_type(scalar(left.type))
    bits = _widened(left, kind)
    distance = min(whole(right), len(bits))
    if distance < 0:
        raise failure(Code.INVALID_VALUE, f"a shift by {distance} bits has no meaning")
    filler = bits[-1] if kind.kind is Kind.INT else False
    if symbol == "<<":
        shifted = (False,) * distance + bits[: len(bits) - distance]
    else:
        shifted = bits[distance:] + (filler,) * distance
    return Value(kind, from_bits(kind, shifted))


def _compare(state: State, symbol: str, left: Value, right: Value) -> Bit:
    kind = _comparable(left, right)
    one, two = _widened(left, kind), _widened(right, kind)
    if symbol in ("==", "!="):
        difference = truth(tuple(wires.differ(a, b) for a, b in zip(one, two, strict=True)))
        return state.compact(difference if symbol == "!=" else wires.invert(difference))
    if kind.kind is Kind.INT:
        one = (*one[:-1], wires.invert(one[-1]))
        two = (*two[:-1], wires.invert(two[-1]))
    swapped = symbol in (">", "<=")
    less = _less(state, two, one) if swapped else _less(state, one, two)
    return wires.invert(less) if symbol in ("<=", ">=") else less


def _comparable(left: Value, right: Value) -> Scalar:
    left_type, right_type = scalar(left.type), scalar(right.type)
    if left_type.bits is None or right_type.bits is None:
        raise Undecided(_first_wire(left, right))
    if left_type == right_type:
        return left_type
    one, two = integer_type(left_type), integer_type(right_type)
    width = max(one.bits or 0, two.bits or 0)
    mixed = one.kind is not two.kind
    return Scalar(Kind.INT if mixed else one.kind, width + 1 if mixed else width)


def _less(state: State, one: Bits, two: Bits) -> Bit:
    less: Bit = False
    for a, b in zip(one, two, strict=True):
        less = state.compact(wires.choose(state.compact(wires.differ(a, b)), b, less))
    return less


def _arithmetic(state: State, symbol: str, left: Value, right: Value) -> Value:
    left_type, right_type = scalar(left.type), scalar(right.type)
    kind = arithmetic_type(symbol, left_type, right_type)
    if symbol not in ("+", "-", "*") or kind.bits is None:
        raise Undecided(_first_wire(left, right))
    if kind.kind is Kind.ANGLE and symbol != "*" and left_type != right_type:
        raise Undecided(_first_wire(left, right))
    one, two = _widened(left, kind), _widened(right, kind)
    if symbol == "*":
        bits = _product(state, one, two)
    elif symbol == "+":
        bits = _sum(state, one, two, carry=False)
    else:
        bits = _sum(state, one, tuple(wires.invert(bit) for bit in two), carry=True)
    return Value(kind, from_bits(kind, bits))


def _first_wire(left: Value, right: Value) -> wires.Wire:
    value = left if isinstance(left.data, tuple) else right
    return undecided(bits_of(value.type, value.data)).wire


def _sum(state: State, one: Bits, two: Bits, *, carry: Bit) -> Bits:
    total = []
    for a, b in zip(one, two, strict=True):
        half = state.compact(wires.differ(a, b))
        total.append(state.compact(wires.differ(half, carry)))
        carry = state.compact(wires.choose(half, carry, a))
    return tuple(total)


def _product(state: State, one: Bits, two: Bits) -> Bits:
    width = len(one)
    total: Bits = (False,) * width
    for place, factor in enumerate(two):
        if factor is False:
            continue
        shifted = (False,) * place + one[: width - place]
        addend = tuple(state.compact(wires.both(bit, factor)) for bit in shifted)
        total = _sum(state, total, addend, carry=False)
    return total
