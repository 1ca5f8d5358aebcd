"""Which simulation method runs a circuit, and why."""

import math
from dataclasses import dataclass

from domain.execution import Method
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.refusal import Reason, Refused

_KIBI = 1024
_MIB = _KIBI * _KIBI
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_AMPLITUDE_BYTES = 16
_TABLEAU_COPIES = 4
_EXTENDED_STABILIZER_QUBITS = 63


@dataclass(frozen=True, slots=True)
class Workload:
    """What the choice of a method depends on.

    Attributes:
        qubits: qubits that can influence an outcome.
        clifford: every gate is a Clifford gate.
        bond_exponent: upper bound of the binary logarithm of the bond dimension over all cuts.
    """

    qubits: int
    clifford: bool
    bond_exponent: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A method, why it was chosen, and what it needs.

    Attributes:
        method: never `automatic`.
        reason: one sentence for the record.
        memory_bytes: estimate of what the simulation occupies at most.
    """

    method: Method
    reason: str
    memory_bytes: int


def choose_method(requested: Method, work: Workload, limits: EngineLimits) -> Choice:
    """Choose how to simulate.

    Clifford circuits go to the stabilizer method at any width, others to the statevector if it
    fits into memory. Beyond that `automatic` refuses, unless the operator allows it to pass on to
    matrix product states, and says what each method would need.

    Raises:
        Refused: `unsuitable_method` or `too_much_memory`.
    """
    if requested != "automatic":
        return _requested(requested, work, limits)
    if work.clifford:
        return _fitting("stabilizer", "Every gate is a Clifford gate.", work, limits)
    needed = estimate_memory("statevector", work)
    if needed <= _allowed(limits):
        reason = (
            f"The statevector of {work.qubits} qubits needs {_in_words(needed)}, which fits into"
            f" {_in_words(_allowed(limits))}."
        )
        return Choice("statevector", reason, needed)
    return _beyond_statevector(work, limits, needed)


def estimate_memory(method: Method, work: Workload) -> int:
    """Bytes that the state of a method occupies at most."""
    qubits = work.qubits
    match method:
        case "statevector":
            state = _AMPLITUDE_BYTES << qubits
        case "density_matrix":
            state = _AMPLITUDE_BYTES << (2 * qubits)
        case "matrix_product_state":
            state = _matrix_product_bytes(qubits, work.bond_exponent)
        case _:
            state = _TABLEAU_COPIES * (2 * qubits) * (2 * qubits + 1) // 8
    return state


def _requested(method: Method, work: Workload, limits: EngineLimits) -> Choice:
    if method == "stabilizer" and not work.clifford:
        raise Refused(
            Reason.UNSUITABLE_METHOD,
            "The stabilizer method runs Clifford gates only, and this circuit has others. Use"
            " `automatic` or `statevector`.",
        )
    if method == "extended_stabilizer" and work.qubits > _EXTENDED_STABILIZER_QUBITS:
        raise Refused(
            Reason.UNSUITABLE_METHOD,
            f"The extended stabilizer method takes at most {_EXTENDED_STABILIZER_QUBITS} qubits,"
            f" and this circuit uses {work.qubits}.",
        )
    return _fitting(method, "The client asked for this method.", work, limits)


def _fitting(method: Method, reason: str, work: Workload, limits: EngineLimits) -> Choice:
    needed = estimate_memory(method, work)
    # A bond dimension is bounded from above only: the run itself shows what it needs.
    if needed > _allowed(limits) and method != "matrix_product_state":
        raise Refused(
            Reason.TOO_MUCH_MEMORY,
            f"The {method.replace('_', ' ')} method needs about {_in_words(needed)} for"
            f" {work.qubits} qubits, and a run may use {_in_words(_allowed(limits))}.",
        )
    return Choice(method, reason, needed)


def _beyond_statevector(work: Workload, limits: EngineLimits, statevector: int) -> Choice:
    allowed = _allowed(limits)
    product = estimate_memory("matrix_product_state", work)
    fits = product <= allowed
    if fits and limits.automatic_matrix_product_state:
        reason = (
            f"The statevector of {work.qubits} qubits would need {_in_words(statevector)}; matrix"
            f" product states need at most {_in_words(product)}."
        )
        return Choice("matrix_product_state", reason, product)
    advice = (
        f"Asking for the method `matrix_product_state` would need at most {_in_words(product)}."
        if fits
        else "Use fewer qubits, or try the method `matrix_product_state` if there is little"
        " entanglement."
    )
    raise Refused(
        Reason.TOO_MUCH_MEMORY,
        f"The statevector of {work.qubits} qubits needs {_in_words(statevector)}, and a run may"
        f" use {_in_words(allowed)}. {advice}",
    )


def _matrix_product_bytes(qubits: int, bond_exponent: int) -> int:
    """Tensors of 2 x bond x bond amplitudes for each qubit, and one more set for the updates."""
    total = 0
    for site in range(qubits):
        left = min(bond_exponent, site, qubits - site)
        right = min(bond_exponent, site + 1, qubits - site - 1)
        total += 2 << (left + right)
    return 2 * _AMPLITUDE_BYTES * total


def _allowed(limits: EngineLimits) -> int:
    return limits.simulator_memory_mb * _MIB


def _in_words(size: int) -> str:
    """A size in bytes for a person; sizes beyond any machine are given as a power of two."""
    if size >= 1 << 70:
        return f"2^{math.ceil(math.log2(size))} bytes"
    value, unit = float(size), 0
    while value >= _KIBI and unit + 1 < len(_UNITS):
        value, unit = value / _KIBI, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"
