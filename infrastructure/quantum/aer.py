"""Qiskit Aer, with one simulator per method made once and kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.refusal import Reason, Refused

_SIGNS_OF_MEMORY = ("memory", "bad_alloc")


class SimulationFailed(Exception):
    """Aer gave up; the message is Aer's own."""


class Aer:
    """Runs circuits with a fixed set of options.

    Attributes:
        options: the options, method and seed aside, for the record.
    """

    def __init__(self, limits: EngineLimits) -> None:
        self.options: dict[str, Any] = {
            "device": "CPU",
            "precision": "double",
            "max_parallel_threads": limits.simulator_threads,
            "max_parallel_experiments": 1,
            "max_parallel_shots": 1,
            "max_memory_mb": limits.simulator_memory_mb,
        }
        self._memory_mb = limits.simulator_memory_mb
        self._simulators: dict[str, AerSimulator] = {}

    def probabilities(
        self, circuit: QuantumCircuit, method: str, seed: int
    ) -> npt.NDArray[np.float64]:
        """Exact probabilities of all outcomes that a circuit saves.

        Args:
            circuit: gates, and an instruction that saves the probabilities of some qubits.
            method: a method whose states have exact probabilities.
            seed: for Aer's own use.

        Returns:
            Shape (2 ** saved qubits,); bit j of an outcome is that of the j-th saved qubit.
        """
        data = self._run(circuit, method, 1, seed, {})
        return np.asarray(data["probabilities"], dtype=np.float64)

    def sample(
        self,
        circuit: QuantumCircuit,
        method: str,
        shots: int,
        seed: int,
        *,
        memory: bool = False,
        branching: bool = False,
    ) -> tuple[Mapping[str, int], list[str] | None]:
        """Run a circuit with measurements.

        Args:
            circuit: in the gates of the method.
            method: a method of Aer.
            shots: how many.
            seed: below 2^62; shot k uses `seed + k`.
            memory: whether to keep the outcome of each shot.
            branching: let shots share a state until a measurement tells them apart.

        Returns:
            Counts and, if asked for, the outcome of each shot. Keys are hexadecimal numbers whose
            bit k is classical bit k.
        """
        options = {"memory": memory}
        if branching:
            options |= {"shot_branching_enable": True, "shot_branching_sampling_enable": True}
        data = self._run(circuit, method, shots, seed, options)
        return data.get("counts", {}), data.get("memory")

    def _run(
        self,
        circuit: QuantumCircuit,
        method: str,
        shots: int,
        seed: int,
        options: Mapping[str, bool],
    ) -> Mapping[str, Any]:
        simulator = self._simulators.get(method)
        if simulator is None:
            simulator = AerSimulator(method=method, **self.options)
            self._simulators[method] = simulator
        # `simulator.run` would hand exactly this call to a thread, and wait for it.
        result = simulator._execute_circuits_job(  # noqa: SLF001
            [circuit], None, {"shots": shots, "seed_simulator": seed, **options}
        )
        if not result.success:
            self._fail(result)
        data: Mapping[str, Any] = result.results[0].data.to_dict()
        return data

    def _fail(self, result: Any) -> None:
        status = " ".join([str(result.status), *(str(part.status) for part in result.results)])
        if any(sign in status.lower() for sign in _SIGNS_OF_MEMORY):
            raise Refused(
                Reason.TOO_MUCH_MEMORY,
                f"The simulation needs more than the {self._memory_mb} MiB that a run may use."
                " Use fewer qubits or less entanglement.",
            )
        raise SimulationFailed(status)
