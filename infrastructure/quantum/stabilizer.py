"""Drawing shots from a stabilizer state at any width.

The outcomes of a stabilizer state are equally likely and form an affine space over the bits: one
outcome, plus any sum of the X parts of the stabilizer generators. Aer gives one outcome; the X
parts are followed through the circuit here, without signs, since the one outcome carries them.
Drawing a shot is then a matter of a few random bits, where Aer's own sampler measures one qubit
after the other and takes seconds per thousand shots from a hundred qubits on.

Source: S. Aaronson and D. Gottesman, Improved simulation of stabilizer circuits,
Phys. Rev. A 70, 052328 (2004), for the update rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit

from infrastructure.quantum.sampling import random_words

Columns = list[int]
_WORD_BITS = 64
_BYTE_BITS = 8


@dataclass(frozen=True, slots=True)
class Support:
    """The outcomes that a stabilizer state can have, relative to any one of them.

    Attributes:
        dimension: independent random bits of an outcome.
        combinations: for each outcome bit the set of random bits whose sum it is, as a mask.
    """

    dimension: int
    combinations: tuple[int, ...]


def support(circuit: QuantumCircuit, qubits: Sequence[int]) -> Support:
    """Find the support of some qubits' outcomes.

    Args:
        circuit: gates that the stabilizer method knows, from the state of all zeros.
        qubits: indices; bit j of an outcome belongs to `qubits[j]`.
    """
    x_parts = _x_parts(circuit)
    basis: dict[int, tuple[int, int]] = {}
    combinations: list[int] = []
    for qubit in qubits:
        column, mask = x_parts[qubit], 0
        while column:
            top = column.bit_length()
            if top not in basis:
                fresh = 1 << len(basis)
                basis[top] = (column, mask | fresh)
                mask = fresh
                break
            reducer, reducer_mask = basis[top]
            column ^= reducer
            mask ^= reducer_mask
        combinations.append(mask)
    return Support(len(basis), tuple(combinations))


def draw_outcomes(
    found: Support, one_outcome: int, shots: int, seed: int
) -> tuple[list[int], npt.NDArray[np.intp]]:
    """Draw `shots` outcomes, all of the support being equally likely.

    Args:
        found: the support.
        one_outcome: any outcome of the state.
        shots: how many to draw.
        seed: the seed of the run.

    Returns:
        The distinct outcomes that were drawn, and for each shot in order the position of its
        outcome in that list, shape (shots,).
    """
    coins, which = _distinct_coins(found.dimension, shots, seed)
    return _outcomes(found.combinations, coins, one_outcome), which


def _distinct_coins(
    dimension: int, shots: int, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """Toss `dimension` coins per shot.

    Returns:
        Distinct rows of coins, shape (distinct, dimension), and the row of each shot.
    """
    if dimension == 0:
        return np.zeros((1, 0), np.uint8), np.zeros(shots, np.intp)
    words_each = -(-shots // _WORD_BITS)
    words = random_words(seed, dimension * words_each).view(np.uint8)
    tosses = np.unpackbits(words.reshape(dimension, -1), axis=1, count=shots, bitorder="little")
    packed = np.ascontiguousarray(np.packbits(tosses, axis=0, bitorder="little").T)
    if dimension <= _BYTE_BITS:
        return _distinct_bytes(packed[:, 0], dimension)
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    return np.ascontiguousarray(tosses.T[first]), which


def _distinct_bytes(
    rows: npt.NDArray[np.uint8], dimension: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """The same for rows of a single byte, without sorting."""
    occurring = np.flatnonzero(np.bincount(rows, minlength=256))
    places = np.zeros(256, np.intp)
    places[occurring] = np.arange(occurring.size)
    coins = np.unpackbits(
        occurring.astype(np.uint8)[:, np.newaxis], axis=1, count=dimension, bitorder="little"
    )
    return coins, places[rows]


def _outcomes(
    combinations: Sequence[int], coins: npt.NDArray[np.uint8], one_outcome: int
) -> list[int]:
    """Sum up, for each row of coins, the coins of each outcome bit, and add the one outcome."""
    distinct = coins.shape[0]
    columns = [_to_int(coins[:, coin]) for coin in range(coins.shape[1])]
    bits = np.empty((len(combinations), distinct), np.uint8)
    for position, mask in enumerate(combinations):
        total = 0
        for coin in _set_bits(mask):
            total ^= columns[coin]
        bits[position] = _to_bits(total, distinct) ^ ((one_outcome >> position) & 1)
    packed = np.packbits(bits, axis=0, bitorder="little").T
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _to_int(bits: npt.NDArray[np.uint8]) -> int:
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def _to_bits(number: int, count: int) -> npt.NDArray[np.uint8]:
    packed = np.frombuffer(number.to_bytes(-(-count // 8), "little"), np.uint8)
    return np.unpackbits(packed, count=count, bitorder="little")


def _set_bits(mask: int) -> list[int]:
    return [index for index in range(mask.bit_length()) if mask >> index & 1]


def _x_parts(circuit: QuantumCircuit) -> Columns:
    """X part of every generator at the end, as one number per qubit with a bit per generator."""
    places = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    x = [0] * circuit.num_qubits
    z = [1 << index for index in range(circuit.num_qubits)]
    for instruction in circuit.data:
        _RULES[instruction.name](x, z, *[places[qubit] for qubit in instruction.qubits])
    return x


def _nothing(x: Columns, z: Columns, *qubits: int) -> None:
    del x, z, qubits


def _h(x: Columns, z: Columns, a: int) -> None:
    x[a], z[a] = z[a], x[a]


def _s(x: Columns, z: Columns, a: int) -> None:
    z[a] ^= x[a]


def _sx(x: Columns, z: Columns, a: int) -> None:
    x[a] ^= z[a]


def _cx(x: Columns, z: Columns, a: int, b: int) -> None:
    x[b] ^= x[a]
    z[a] ^= z[b]


def _cz(x: Columns, z: Columns, a: int, b: int) -> None:
    z[a] ^= x[b]
    z[b] ^= x[a]


def _cy(x: Columns, z: Columns, a: int, b: int) -> None:
    _s(x, z, b)
    _cx(x, z, a, b)
    _s(x, z, b)


def _swap(x: Columns, z: Columns, a: int, b: int) -> None:
    x[a], x[b] = x[b], x[a]
    z[a], z[b] = z[b], z[a]


def _ecr(x: Columns, z: Columns, a: int, b: int) -> None:
    _s(x, z, a)
    _sx(x, z, b)
    _cx(x, z, a, b)


_RULES: dict[str, Callable[..., None]] = {
    "id": _nothing,
    "x": _nothing,
    "y": _nothing,
    "z": _nothing,
    "h": _h,
    "s": _s,
    "sdg": _s,
    "sx": _sx,
    "sxdg": _sx,
    "cx": _cx,
    "cy": _cy,
    "cz": _cz,
    "swap": _swap,
    "ecr": _ecr,
}
