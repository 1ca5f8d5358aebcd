"""Values as bits, and conversions between types."""

import math
from collections.abc import Callable
from typing import cast

from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.types import (
    ANGLE,
    FLOAT,
    INT,
    UINT,
    WORD,
    ArrayOf,
    Bits,
    Data,
    Duration,
    Kind,
    Plain,
    Scalar,
    Type,
    Unknown,
    Value,
)
from infrastructure.quantum.qasm.wires import Bit, Wire, either

TURN = 2 * math.pi


class Undecided(Exception):
    """A statement needs to know a bit that depends on a measurement outcome."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire


def undecided(bits: Bits) -> Undecided:
    """Return the demand to decide the first bit that depends on an outcome."""
    return Undecided(next(bit for bit in bits if isinstance(bit, Wire)))


def failure(code: Code, message: str) -> ProgramError:
    """Return an error whose place is added by whoever knows it."""
    return ProgramError(code, message)


def mismatch(value: Type, wanted: Type | str) -> ProgramError:
    """Return the error for a value that cannot become what is wanted."""
    return failure(Code.TYPE_ERROR, f"a value of type {value} cannot be used as {wanted}")


def scalar(kind: Type) -> Scalar:
    """Return the type if it is a scalar one, and refuse an array."""
    if isinstance(kind, Scalar):
        return kind
    raise mismatch(kind, "a single value")


def bits_of(kind: Type, data: object) -> Bits:
    """Return data of a type held in bits, least significant bit first."""
    if isinstance(data, tuple):
        return data
    width = scalar(kind).bits
    if width is None or not isinstance(data, int):
        raise mismatch(kind, "bits")
    return tuple(bool(data >> place & 1) for place in range(width))


def from_bits(kind: Scalar, bits: Bits) -> Data:
    """Return the data that bits hold: plain if all of them are known."""
    if any(isinstance(bit, Wire) for bit in bits):
        return bits
    if kind.kind in (Kind.BOOL, Kind.BIT) and kind.width is None:
        return bool(bits[0])
    number = sum(1 << place for place, bit in enumerate(bits) if bit)
    is_negative = kind.kind is Kind.INT and bits[-1]
    return number - (1 << len(bits)) if is_negative else number


def zero(kind: Type) -> Data:
    """Return what a variable of a type holds before anything is assigned to it."""
    if isinstance(kind, ArrayOf):
        elements: Data = zero(kind.element)
        for size in reversed(kind.shape):
            elements = [_copied(elements) for _ in range(size)]
        return elements
    if kind.kind in (Kind.BOOL, Kind.BIT) and kind.width is None:
        return False
    plain: dict[Kind, Plain] = {
        Kind.FLOAT: 0.0,
        Kind.COMPLEX: 0j,
        Kind.DURATION: Duration(),
    }
    return 0.0 if kind == ANGLE else plain.get(kind.kind, 0)


def _copied(data: Data) -> Data:
    return [_copied(element) for element in data] if isinstance(data, list) else data


def convert(value: Value, wanted: Type) -> Data:
    """Return the data of a value as a type holds it, as in an assignment or a cast.

    Raises:
        ProgramError: the value has no meaning in that type.
    """
    source, data = value
    if source == wanted:
        if isinstance(data, int) and wanted in (INT, UINT):
            return wrapped(data, scalar(wanted))
        return _copied(data)
    if isinstance(source, ArrayOf) or isinstance(wanted, ArrayOf):
        raise mismatch(source, wanted)
    if isinstance(data, tuple):
        return _convert_bits(source, data, wanted)
    if isinstance(data, (list, Unknown)):
        raise mismatch(source, wanted)
    return _CONVERSIONS[wanted.kind](source, data, wanted)


def _convert_bits(source: Scalar, bits: Bits, wanted: Scalar) -> Data:
    if wanted.kind is Kind.BOOL or wanted == Scalar(Kind.BIT):
        is_wider = any(bits[1:]) or (source.kind is Kind.BIT and len(bits) > 1)
        if wanted.kind is Kind.BIT and is_wider:
            raise mismatch(source, wanted)
        return from_bits(wanted, (truth(bits),))
    width = wanted.bits
    if width is None:
        raise undecided(bits)
    if wanted.kind is Kind.BIT and source.kind is Kind.BIT and width != len(bits):
        raise mismatch(source, wanted)
    if wanted.kind is Kind.ANGLE and source.kind is Kind.ANGLE:
        return from_bits(wanted, _aligned(bits, width))
    return from_bits(wanted, resized(source, bits, width))


def resized(source: Scalar, bits: Bits, width: int) -> Bits:
    """Return the bits of a value cut or extended to a width; signed values keep their sign."""
    filler: Bit = bits[-1] if source.kind is Kind.INT else False
    return bits[:width] + (filler,) * (width - len(bits))


def _aligned(bits: Bits, width: int) -> Bits:
    if width <= len(bits):
        return bits[len(bits) - width :]
    return (False,) * (width - len(bits)) + bits


def truth(bits: Bits) -> Bit:
    """Return whether any of the bits is set."""
    result: Bit = False
    for bit in bits:
        result = either(result, bit)
    return result


def real(value: Value) -> float:
    """Return a plain value as a float."""
    return cast("float", convert(value, FLOAT))


def whole(value: Value) -> int:
    """Return a plain bit, bit register or integer as an integer."""
    kind, data = value
    if not isinstance(data, int) or (isinstance(kind, Scalar) and kind.kind is Kind.ANGLE):
        raise mismatch(kind, "an integer")
    return int(data)


def _to_bool(source: Scalar, data: Plain, _: Scalar) -> Plain:
    if isinstance(data, Duration):
        raise mismatch(source, "a truth value")
    return bool(data)


def _to_bit(source: Scalar, data: Plain, wanted: Scalar) -> Plain:
    if isinstance(data, (float, complex, Duration)):
        raise mismatch(source, wanted)
    if wanted.width is None:
        if source.kind is Kind.BIT or data not in (0, 1):
            _require_width(source, wanted, 1)
            _require_bit(data, wanted)
        return bool(data)
    if source.kind is Kind.BIT:
        _require_width(source, wanted, wanted.width)
    elif data < 0 or data >> wanted.width:
        data = _wrapped_for_bits(source, data, wanted)
    return int(data)


def _wrapped_for_bits(source: Scalar, data: int, wanted: Scalar) -> int:
    if source.width is None:
        raise failure(Code.INVALID_VALUE, f"{data} does not fit into {wanted}")
    return data % (1 << (wanted.width or 1))


def _require_width(source: Scalar, wanted: Scalar, width: int) -> None:
    if source.kind is Kind.BIT and (source.width or 1) != width:
        raise mismatch(source, wanted)


def _require_bit(data: int, wanted: Scalar) -> None:
    if data not in (0, 1):
        raise failure(Code.INVALID_VALUE, f"{data} does not fit into {wanted}")


def _to_integer(source: Scalar, data: Plain, wanted: Scalar) -> Plain:
    if isinstance(data, (complex, Duration)) or source.kind is Kind.ANGLE:
        raise mismatch(source, wanted)
    if isinstance(data, float):
        if not math.isfinite(data):
            raise failure(Code.INVALID_VALUE, f"{data} is not an integer")
        data = math.trunc(data)
    return wrapped(int(data), wanted)


def wrapped(number: int, wanted: Scalar) -> int:
    """Return an integer as a type holds it: sized types wrap around, others refuse."""
    width = wanted.width
    is_signed = wanted.kind is Kind.INT
    if width is None:
        if not -(1 << WORD - 1) <= number < 1 << WORD:
            raise failure(Code.INVALID_VALUE, f"an integer does not fit into {WORD} bits")
        return number if is_signed else number % (1 << WORD)
    number %= 1 << width
    return number - (1 << width) if is_signed and number >> width - 1 else number


def _to_float(source: Scalar, data: Plain, wanted: Scalar) -> Plain:
    if isinstance(data, (complex, Duration)):
        raise mismatch(source, wanted)
    return radians(source, data) if source.kind is Kind.ANGLE else float(data)


def _to_complex(source: Scalar, data: Plain, wanted: Scalar) -> Plain:
    if isinstance(data, Duration) or source.kind is Kind.ANGLE:
        raise mismatch(source, wanted)
    return complex(data)


def _to_angle(source: Scalar, data: Plain, wanted: Scalar) -> Plain:
    if isinstance(data, (complex, Duration)):
        raise mismatch(source, wanted)
    if source.kind is Kind.BIT and wanted.width is not None:
        _require_width(source, wanted, wanted.width)
        return int(data)
    angle = radians(source, data) if source.kind is Kind.ANGLE else float(data)
    if wanted.width is None:
        return angle
    if not math.isfinite(angle):
        raise failure(Code.INVALID_VALUE, f"{angle} is not an angle")
    if source.kind is Kind.ANGLE and source.width is not None:
        shift = wanted.width - source.width
        return int(data) << shift if shift >= 0 else int(data) >> -shift
    return round(angle / TURN * (1 << wanted.width)) % (1 << wanted.width)


def radians(source: Scalar, data: float) -> float:
    """Return an angle in radians."""
    return float(data) if source.width is None else data * TURN / (1 << source.width)


def _to_duration(source: Scalar, _: Plain, wanted: Scalar) -> Plain:
    raise mismatch(source, wanted)


_CONVERSIONS: dict[Kind, Callable[[Scalar, Plain, Scalar], Plain]] = {
    Kind.BOOL: _to_bool,
    Kind.BIT: _to_bit,
    Kind.INT: _to_integer,
    Kind.UINT: _to_integer,
    Kind.FLOAT: _to_float,
    Kind.COMPLEX: _to_complex,
    Kind.ANGLE: _to_angle,
    Kind.DURATION: _to_duration,
}
