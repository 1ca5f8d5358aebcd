"""A run that is made again: what it takes, and how the two compare."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.execution import RunFailed, RunOptions, RunSucceeded
from domain.log import RecordedEvent
from domain.payloads import Payload, PayloadKind
from domain.task import Claim, Command, Compare, Complete, Submit, Task, decide, evolve
from service.audit.rerun import (
    Altered,
    CannotRerun,
    Recorded,
    compare,
    recorded_run,
    total_variation_distance,
)
from tests.unit.test_task import record

CIRCUIT = Payload(PayloadKind.CIRCUIT, b"OPENQASM 3; input float a; qubit q; rx(a) q; measure q;")
PARAMETERS = Payload(PayloadKind.PARAMETERS, b'{"a":0.5}')
RESULT = Payload(PayloadKind.RESULT, b'{"0":3,"1":1}')
MEMORY = Payload(PayloadKind.MEMORY, b'["0","1","0","0"]')
EXECUTION: dict[str, Any] = {
    "seed": 7,
    "shots": 4,
    "method": "statevector",
    "normalised_sha256": "ab",
    "sampler": "exact_probabilities",
    "versions": {"ketlog": "0.1.0", "qiskit": "2.6.2"},
    "simulator": {"precision": "double", "max_memory_mb": 4096},
    "cpu": "x86_64",
}
ENGINE = {"versions": EXECUTION["versions"], "cpu": EXECUTION["cpu"]}


def events(*commands: Command) -> list[RecordedEvent]:
    task: Task | None = None
    made = []
    for command in commands:
        made.append(record(task, decide(task, command)))
        task = evolve(task, made[-1])
    return made


def completed(execution: Mapping[str, Any] = EXECUTION) -> list[RecordedEvent]:
    return events(
        Submit(RunOptions(4, memory=True), CIRCUIT.commitment(), PARAMETERS.commitment()),
        Claim("a-worker"),
        Complete(1, RESULT.commitment(), execution, MEMORY.commitment()),
    )


def contents(*without: PayloadKind) -> dict[PayloadKind, Payload]:
    rows = (CIRCUIT, PARAMETERS, RESULT, MEMORY)
    return {row.kind: row for row in rows if row.kind not in without}


@pytest.fixture
def recorded() -> Recorded:
    return recorded_run(completed(), contents(), 600.0)


def again(**changes: Any) -> RunSucceeded:
    counts = changes.pop("counts", {"0": 3, "1": 1})
    memory = changes.pop("memory", ("0", "1", "0", "0"))
    return RunSucceeded(counts, memory, EXECUTION | changes)


def test_the_recorded_run_is_asked_for_again(recorded: Recorded) -> None:
    request = recorded.request
    assert request.circuit.encode() == CIRCUIT.body
    assert request.parameters == {"a": 0.5}
    assert request.options == RunOptions(4, 7, "statevector", memory=True, timeout_seconds=600.0)


def test_notes_of_earlier_comparisons_are_no_obstacle() -> None:
    run = completed()
    task = None
    for event in run:
        task = evolve(task, event)
    assert task is not None
    run.append(record(task, decide(task, Compare(0.0, {}, {}))))
    assert recorded_run(run, contents(), 600.0).task.version == 4


@pytest.mark.parametrize("kind", list(PayloadKind))
def test_what_was_erased_cannot_be_run_again(kind: PayloadKind) -> None:
    with pytest.raises(CannotRerun, match=f"its {kind} was erased"):
        recorded_run(completed(), contents(kind), 600.0)


@pytest.mark.parametrize("kind", list(PayloadKind))
def test_what_was_altered_is_named(kind: PayloadKind) -> None:
    rows = contents()
    rows[kind] = Payload(kind, rows[kind].body + b" ", rows[kind].salt)
    with pytest.raises(Altered, match=f"its {kind} is not what version [13] commits to"):
        recorded_run(completed(), rows, 600.0)


def test_a_task_without_a_result_has_nothing_to_compare() -> None:
    run = completed()[:2]
    with pytest.raises(CannotRerun, match="it is processing and has no result"):
        recorded_run(run, contents(), 600.0)


def test_an_execution_that_does_not_say_how_it_was_run_is_named() -> None:
    with pytest.raises(CannotRerun, match="records no 'seed'"):
        recorded_run(completed({"shots": 4}), contents(), 600.0)


def test_the_same_outcomes_are_a_reproduction(recorded: Recorded) -> None:
    assert compare(recorded, again(), ENGINE) == Compare(0.0, {}, EXECUTION, None)


def test_other_counts_are_a_divergence_that_nothing_explains(recorded: Recorded) -> None:
    comparison = compare(recorded, again(counts={"0": 1, "1": 3}), ENGINE)
    assert comparison.divergence == "the counts are not the same"
    assert (comparison.distance, comparison.differences) == (0.5, {})


def test_other_versions_explain_a_divergence(recorded: Recorded) -> None:
    newer = again(
        counts={"1": 4},
        versions={"ketlog": "0.1.0", "qiskit": "2.7.0", "numpy": "2"},
        simulator={"precision": "single", "max_memory_mb": 1},
        cpu="aarch64",
        normalised_sha256="cd",
        sampler="final_state",
    )
    comparison = compare(recorded, newer, ENGINE)
    assert comparison.differences == {
        "versions.numpy": {"recorded": None, "present": "2"},
        "versions.qiskit": {"recorded": "2.6.2", "present": "2.7.0"},
        "simulator.precision": {"recorded": "double", "present": "single"},
        "cpu": {"recorded": "x86_64", "present": "aarch64"},
    }
    assert comparison.divergence == (
        "the counts are not the same; the circuit was read as other operations; "
        "the shots were drawn in another way"
    )


def test_other_versions_may_reproduce_a_result(recorded: Recorded) -> None:
    comparison = compare(recorded, again(cpu="aarch64"), ENGINE)
    assert comparison.divergence is None
    assert list(comparison.differences) == ["cpu"]


def test_the_order_of_the_shots_is_compared_where_it_was_kept(recorded: Recorded) -> None:
    comparison = compare(recorded, again(memory=("1", "0", "0", "0")), ENGINE)
    assert comparison.divergence == "the counts are the same, the order of the shots is not"
    assert comparison.distance == 0.0


def test_a_circuit_that_cannot_be_run_any_more_diverges(recorded: Recorded) -> None:
    failed = RunFailed("parse_error", "a semicolon is missing")
    comparison = compare(recorded, failed, ENGINE | {"cpu": "aarch64"})
    assert comparison.distance == 1.0
    assert comparison.divergence is not None
    assert "parse_error: a semicolon is missing" in comparison.divergence
    assert list(comparison.differences) == ["cpu"]


@pytest.mark.parametrize("code", ["timeout", "too_much_memory", "engine_error"])
def test_a_run_that_fails_for_this_machine_says_nothing(recorded: Recorded, code: str) -> None:
    with pytest.raises(CannotRerun, match=code):
        compare(recorded, RunFailed(code, "too slow"), ENGINE)


counts = st.dictionaries(st.text("01", min_size=1, max_size=3), st.integers(1, 1000), min_size=1)


@given(counts, counts)
def test_the_distance_is_one(first: dict[str, int], second: dict[str, int]) -> None:
    distance = total_variation_distance(first, second)
    assert 0 <= distance <= 1
    assert distance == total_variation_distance(second, first)
    assert total_variation_distance(first, first) == 0
    scaled = {key: 3 * value for key, value in first.items()}
    assert total_variation_distance(first, scaled) == 0
    assert (distance == 1) == (not first.keys() & second.keys())
