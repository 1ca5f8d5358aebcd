"""Outcome keys as Qiskit writes them: bit 0 rightmost, a space between registers."""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter

from qiskit import QuantumCircuit


def register_sizes(circuit: QuantumCircuit, scratch_bits: int = 0) -> tuple[int, ...]:
    """Bits of each classical register of the outcome, in order of declaration.

    The last register is left out if it holds intermediate values, `scratch_bits` of them.
    """
    sizes = [register.size for register in circuit.cregs]
    return tuple(sizes[:-1] if scratch_bits else sizes)


def key_length(sizes: Iterable[int]) -> int:
    """Characters of one key."""
    widths = list(sizes)
    return sum(widths) + max(0, len(widths) - 1)


class KeyWriter:
    """Writes keys for outcomes of the classical bits themselves."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self._width = sum(sizes)
        ends: list[int] = []
        for size in sizes:
            ends.append((ends[-1] if ends else 0) + size)
        starts = [0, *ends[:-1]]
        # Position in the written number is counted from the left, bits from the right.
        self._parts = [
            slice(self._width - end, self._width - start)
            for start, end in zip(starts, ends, strict=True)
        ][::-1]

    def __call__(self, outcome: int) -> str:
        """The key of an outcome whose bit k is classical bit k."""
        digits = format(outcome, f"0{self._width}b")
        if len(self._parts) == 1:
            return digits
        return " ".join([digits[part] for part in self._parts])


def scattered_key_writer(
    sizes: tuple[int, ...], sources: Mapping[int, int], bits: int
) -> Callable[[int], str]:
    """A writer for outcomes of `bits` measured qubits.

    Args:
        sizes: bits of each classical register.
        sources: which outcome bit each classical bit takes; missing ones are 0.
        bits: bits of an outcome, at least 1.
    """
    width = sum(sizes)
    if bits == width and all(sources.get(clbit) == clbit for clbit in range(width)):
        return KeyWriter(sizes)
    zero, space = bits, bits + 1
    positions: list[int] = []
    clbit = 0
    for size in sizes:
        if clbit:
            positions.append(space)
        for index in range(clbit, clbit + size):
            source = sources.get(index)
            positions.append(zero if source is None else bits - 1 - source)
        clbit += size
    pick = itemgetter(*reversed(positions))
    form = f"0{bits}b"
    return lambda outcome: "".join(pick(format(outcome, form) + "0 "))
