"""Classical types of OpenQASM and the values a program computes with while it is unrolled."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from infrastructure.quantum.qasm.wires import Bit

WORD = 64
"""Width in bits of `int` and `uint` declared without a size."""


class Kind(Enum):
    """What a scalar is; the value is its name in a program."""

    BOOL = "bool"
    BIT = "bit"
    INT = "int"
    UINT = "uint"
    FLOAT = "float"
    ANGLE = "angle"
    COMPLEX = "complex"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar type.

    Attributes:
        kind: what it is.
        width: bits of a sized type or of a bit register; `None` where no size is given.
    """

    kind: Kind
    width: int | None = None

    def __str__(self) -> str:
        """Return the type as a program spells it."""
        return self.kind.value if self.width is None else f"{self.kind.value}[{self.width}]"

    @property
    def is_integer(self) -> bool:
        """Whether it is `int` or `uint`."""
        return self.kind in (Kind.INT, Kind.UINT)

    @property
    def bits(self) -> int | None:
        """How many classical bits hold a value; `None` if no number of bits does exactly."""
        if self.kind in (Kind.BOOL, Kind.BIT):
            return self.width or 1
        if self.is_integer:
            return self.width or WORD
        return self.width if self.kind is Kind.ANGLE else None


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array type: scalars in one or more dimensions."""

    element: Scalar
    shape: tuple[int, ...]

    @property
    def inner(self) -> "Type":
        """Type of what the first index selects."""
        return self.element if len(self.shape) == 1 else ArrayOf(self.element, self.shape[1:])

    def __str__(self) -> str:
        """Return the type as a program spells it."""
        return f"array[{self.element}, {', '.join(map(str, self.shape))}]"


Type: TypeAlias = Scalar | ArrayOf

BOOL = Scalar(Kind.BOOL)
BIT = Scalar(Kind.BIT)
INT = Scalar(Kind.INT)
UINT = Scalar(Kind.UINT)
FLOAT = Scalar(Kind.FLOAT)
ANGLE = Scalar(Kind.ANGLE)
COMPLEX = Scalar(Kind.COMPLEX)
DURATION = Scalar(Kind.DURATION)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time.

    Attributes:
        seconds: its part in seconds.
        samples: its part in `dt`, the sample time of a device.
        known: whether it is known at all; a `stretch` is left to the device.
    """

    seconds: float = 0.0
    samples: float = 0.0
    known: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """Data that depends on measurement outcomes in a way that no classical bits can hold."""


Plain: TypeAlias = bool | int | float | complex | Duration
"""A value known while the program is unrolled: `bool` for bool and bit, `int` for bit registers,
integers and sized angles (in units of a full turn divided by 2^width), radians for other angles."""

Bits: TypeAlias = tuple[Bit, ...]
"""A value that depends on measurement outcomes, least significant bit first."""

Data: TypeAlias = Plain | Bits | Unknown | list["Data"]
"""What a variable holds; a list, row after row, for an array."""


def rows(kind: "ArrayOf", data: Data) -> list[Data]:
    """Return the rows of an array's data."""
    if not isinstance(data, list):
        raise TypeError(f"{kind} does not hold {data!r}")
    return data


class Value(NamedTuple):
    """A typed value. `data` is never `Unknown` for a value that was read."""

    type: Type
    data: Data

    @property
    def is_static(self) -> bool:
        """Whether the value is known while the program is unrolled."""
        return not isinstance(self.data, (tuple, Unknown))
