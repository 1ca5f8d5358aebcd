"""What has to be known about a run to repeat and compare it."""

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any

from qiskit import QuantumCircuit

from domain import __version__ as ketlog_version


def text_sha256(text: str) -> str:
    """Hexadecimal SHA-256 of a text in UTF-8; what is no Unicode is hashed as it came."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def versions() -> Mapping[str, str]:
    """Versions of everything that can change a result."""
    return {
        "ketlog": ketlog_version,
        "python": platform.python_version(),
        "qiskit": importlib.metadata.version("qiskit"),
        "qiskit_aer": importlib.metadata.version("qiskit-aer"),
        "numpy": importlib.metadata.version("numpy"),
    }


@functools.cache
def architecture() -> str:
    """The processor's architecture, such as `x86_64`."""
    return platform.machine()


def size_of(circuit: QuantumCircuit, scratch_bits: int) -> dict[str, Any]:
    """Width, depth and operation counts of a circuit as it was compiled."""
    return {
        "qubits": circuit.num_qubits,
        "clbits": circuit.num_clbits - scratch_bits,
        "depth": circuit.depth(),
        "operations": dict(circuit.count_ops()),
    }
