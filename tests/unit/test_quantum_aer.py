"""Aer itself: exact probabilities, samples, and how its own failures are told."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit

from infrastructure.quantum.aer import Aer, SimulationFailed
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.refusal import Reason, Refused


@pytest.fixture
def aer() -> Aer:
    return Aer(EngineLimits())


def bell(*, measured: bool) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    if measured:
        circuit.measure([0, 1], [0, 1])
    else:
        circuit.save_probabilities()
    return circuit


def told(monkeypatch: pytest.MonkeyPatch, status: str, *parts: str) -> None:
    """Let Aer give up with this status, and with these of the circuits."""

    def give_up(*_arguments: Any) -> SimpleNamespace:
        results = [SimpleNamespace(status=part) for part in parts]
        return SimpleNamespace(success=False, status=status, results=results)

    monkeypatch.setattr("qiskit_aer.AerSimulator._execute_circuits_job", give_up)


def test_probabilities_are_exact(aer: Aer) -> None:
    probabilities = aer.probabilities(bell(measured=False), "statevector", 1)
    np.testing.assert_allclose(probabilities, [0.5, 0.0, 0.0, 0.5], atol=1e-12)


def test_the_outcome_of_each_shot_is_kept_if_asked_for(aer: Aer) -> None:
    counts, memory = aer.sample(bell(measured=True), "statevector", 50, 1, memory=True)
    assert memory is not None
    assert {outcome: memory.count(outcome) for outcome in set(memory)} == dict(counts)
    assert sum(counts.values()) == 50
    assert set(counts) <= {"0x0", "0x3"}


def test_the_same_seed_gives_the_same_counts_in_the_same_simulator(aer: Aer) -> None:
    first, memory = aer.sample(bell(measured=True), "statevector", 200, 7)
    again, _ = aer.sample(bell(measured=True), "statevector", 200, 7)
    assert first == again
    assert memory is None
    assert list(aer._simulators) == ["statevector"]


def test_shots_that_share_a_state_are_as_many_as_others(aer: Aer) -> None:
    counts, _ = aer.sample(bell(measured=True), "statevector", 100, 7, branching=True)
    assert sum(counts.values()) == 100
    assert set(counts) == {"0x0", "0x3"}


@pytest.mark.parametrize(
    ("status", "parts"),
    [("Insufficient memory to run circuit", ()), ("ERROR", ("DONE", "std::bad_alloc"))],
)
def test_a_lack_of_memory_is_refused_with_advice(
    aer: Aer, status: str, parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, status, *parts)
    with pytest.raises(Refused, match="Use fewer qubits") as refused:
        aer.sample(bell(measured=True), "statevector", 1, 1)
    assert refused.value.code is Reason.TOO_MUCH_MEMORY


def test_any_other_failure_is_told_in_aers_words(aer: Aer, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "ERROR", "unknown instruction: teleport")
    with pytest.raises(SimulationFailed, match="ERROR unknown instruction: teleport"):
        aer.sample(bell(measured=True), "statevector", 1, 1)
