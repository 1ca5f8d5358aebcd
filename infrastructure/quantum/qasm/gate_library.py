"""Gates by name: the standard libraries of OpenQASM 2 and 3, their aliases, and defined gates."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from openqasm3 import ast
from qiskit._accelerate.circuit import StandardGate

if TYPE_CHECKING:
    from infrastructure.quantum.qasm.ops import Op


@dataclass(frozen=True, slots=True)
class LibraryGate:
    """A gate of a standard library.

    Attributes:
        name: as programs call it.
        base: the gate of Qiskit that it is, apart from further controls.
        parameters: number of angles.
        qubits: number of qubits, controls included.
        controls: number of leading control qubits that `base` does not have itself.
    """

    name: str
    base: StandardGate
    parameters: int
    qubits: int
    controls: int = 0


@dataclass(eq=False, slots=True)
class DefinedGate:
    """A gate that the program defines.

    Attributes:
        name: as defined.
        parameters: names of its angles.
        qubits: names of its qubits.
        body: its statements; `None` for an opaque gate.
        scope: what the gates named in the body meant at the definition.
        expansions: operations by the values of the angles, for short bodies.
    """

    name: str
    parameters: list[str]
    qubits: list[str]
    body: list[ast.QuantumStatement] | None
    scope: dict[str, "Gate"]
    expansions: dict[tuple[float, ...], tuple["Op", ...]] = field(default_factory=dict)


Gate: TypeAlias = LibraryGate | DefinedGate

_NAMES = {
    "C3X": ("c3x",),
    "C3SX": ("c3sx", "c3sqrtx"),
    "CCX": ("ccx", "toffoli", "ccnot"),
    "CCZ": ("ccz",),
    "CH": ("ch",),
    "CPhase": ("cp", "cphase", "cphaseshift"),
    "CRX": ("crx",),
    "CRY": ("cry",),
    "CRZ": ("crz",),
    "CS": ("cs",),
    "CSX": ("csx", "cv"),
    "CSdg": ("csdg",),
    "CSwap": ("cswap", "fredkin"),
    "CU": ("cu",),
    "CU1": ("cu1",),
    "CU3": ("cu3",),
    "CX": ("cx", "CX", "cnot", "CNOT"),
    "CY": ("cy",),
    "CZ": ("cz",),
    "DCX": ("dcx",),
    "ECR": ("ecr",),
    "H": ("h",),
    "I": ("id", "i"),
    "ISwap": ("iswap",),
    "Phase": ("p", "phase", "phaseshift"),
    "R": ("r", "prx"),
    "RC3X": ("rc3x", "rcccx"),
    "RCCX": ("rccx",),
    "RX": ("rx",),
    "RXX": ("rxx", "xx"),
    "RY": ("ry",),
    "RYY": ("ryy", "yy"),
    "RZ": ("rz",),
    "RZX": ("rzx",),
    "RZZ": ("rzz", "zz"),
    "S": ("s",),
    "SX": ("sx", "v"),
    "SXdg": ("sxdg", "vi", "vdg"),
    "Sdg": ("sdg", "si"),
    "Swap": ("swap",),
    "T": ("t",),
    "Tdg": ("tdg", "ti"),
    "U": ("U", "u"),
    "U1": ("u1",),
    "U2": ("u2",),
    "U3": ("u3",),
    "X": ("x", "not"),
    "XXMinusYY": ("xx_minus_yy",),
    "XXPlusYY": ("xx_plus_yy",),
    "Y": ("y",),
    "Z": ("z",),
}


def _library() -> dict[str, LibraryGate]:
    gates = {}
    for base_name, names in _NAMES.items():
        base: StandardGate = getattr(StandardGate, base_name)
        for name in names:
            gates[name] = LibraryGate(name, base, base.num_params, base.num_qubits)
    gates["u0"] = LibraryGate("u0", StandardGate.I, 1, 1)
    gates["c4x"] = LibraryGate("c4x", StandardGate.X, 0, 5, controls=4)
    return gates


LIBRARY: dict[str, LibraryGate] = _library()
"""The gates that every program knows, with or without `include`."""

INCLUDES = frozenset({"stdgates.inc", "qelib1.inc"})
"""Files whose gates are built in. No file is ever opened."""
