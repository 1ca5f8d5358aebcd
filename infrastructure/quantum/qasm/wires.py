"""Boolean values on the wires of a circuit: known bits, classical bits, and formulas over them.

Aer evaluates boolean formulas over classical bits while a circuit runs, but no arithmetic. All
classical computation that depends on outcomes is therefore reduced to single bits, and constants
are folded as soon as they meet an operator.
"""

from dataclasses import dataclass
from typing import TypeAlias

from qiskit.circuit import Clbit
from qiskit.circuit.classical import expr


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """A bit whose value is only known while the circuit runs.

    Attributes:
        formula: expression over classical bits.
        reads: indices of the classical bits in it.
        size: number of places in the formula where a bit is read.
    """

    formula: expr.Expr
    reads: frozenset[int]
    size: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Tap(Wire):
    """A wire that is one classical bit.

    Attributes:
        clbit: its index.
    """

    clbit: int = 0


Bit: TypeAlias = bool | Wire


def read(index: int, clbit: Clbit) -> Tap:
    """Return the wire of one classical bit."""
    return Tap(expr.lift(clbit), frozenset((index,)), 1, index)


def same(left: Bit, right: Bit) -> bool:
    """Whether two bits are evidently equal at run time."""
    if isinstance(left, Tap) and isinstance(right, Tap):
        return left.clbit == right.clbit
    return left is right


def invert(bit: Bit) -> Bit:
    """Return NOT bit."""
    if not isinstance(bit, Wire):
        return not bit
    formula = bit.formula
    if isinstance(formula, expr.Unary):
        return Wire(formula.operand, bit.reads, bit.size)
    return Wire(expr.logic_not(formula), bit.reads, bit.size)


def both(left: Bit, right: Bit) -> Bit:
    """Return left AND right."""
    if not isinstance(left, Wire):
        return right if left else False
    if not isinstance(right, Wire):
        return left if right else False
    if same(left, right):
        return left
    return _combined(expr.logic_and(left.formula, right.formula), left, right)


def either(left: Bit, right: Bit) -> Bit:
    """Return left OR right."""
    if not isinstance(left, Wire):
        return True if left else right
    if not isinstance(right, Wire):
        return True if right else left
    if same(left, right):
        return left
    return _combined(expr.logic_or(left.formula, right.formula), left, right)


def differ(left: Bit, right: Bit) -> Bit:
    """Return left XOR right."""
    if not isinstance(left, Wire):
        return invert(right) if left else right
    if not isinstance(right, Wire):
        return invert(left) if right else left
    if same(left, right):
        return False
    return _combined(expr.bit_xor(left.formula, right.formula), left, right)


def choose(selector: Bit, if_true: Bit, if_false: Bit) -> Bit:
    """Return one of two bits."""
    if not isinstance(selector, Wire):
        return if_true if selector else if_false
    if same(if_true, if_false):
        return if_true
    return either(both(selector, if_true), both(invert(selector), if_false))


def _combined(formula: expr.Expr, left: Wire, right: Wire) -> Wire:
    return Wire(formula, left.reads | right.reads, left.size + right.size)
