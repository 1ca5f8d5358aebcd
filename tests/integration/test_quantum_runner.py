"""The engine in one process: right counts, a full record, and a code for every limit."""

import hashlib
import json
from dataclasses import replace
from math import cos, sin
from typing import Any

import pytest
from qiskit.quantum_info import Statevector

from domain.execution import RunFailed, RunOptions, RunRequest, RunSucceeded
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.qasm import compile_program
from infrastructure.quantum.runner import Runner
from tests.support.chi_square import assert_plausible

HEAD = "OPENQASM 3.0;\n"
BELL = HEAD + "qubit[2] q; h q[0]; cx q[0], q[1]; measure q;"
ROTATED = HEAD + "qubit[2] q; ry(1.2) q; crz(0.4) q[0], q[1]; ry(0.3) q; measure q;"
FEEDBACK = (
    HEAD + "qubit[2] q; bit[2] c; ry(1.2) q[0]; c[0] = measure q[0];"
    " if (c[0]) { x q[1]; } else { ry(0.7) q[1]; } h q[0];"
    " c[0] = measure q[0]; c[1] = measure q[1];"
)
METHODS = ("automatic", "statevector", "density_matrix", "matrix_product_state")


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner(EngineLimits())


def run(runner: Runner, text: str, **options: Any) -> RunSucceeded:
    outcome = runner.run(RunRequest(text, RunOptions(**options)))
    assert isinstance(outcome, RunSucceeded), outcome
    return outcome


def refuse(limits: EngineLimits, text: str, **options: Any) -> RunFailed:
    outcome = Runner(limits).run(RunRequest(text, RunOptions(**options)))
    assert isinstance(outcome, RunFailed), outcome
    return outcome


def exact(text: str) -> dict[str, float]:
    """Probabilities of a circuit whose measurements come last."""
    circuit = compile_program(text).circuit.remove_final_measurements(inplace=False)
    return dict(Statevector(circuit).probabilities_dict())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_method_draws_from_the_exact_distribution(
    runner: Runner, method: str, seed: int
) -> None:
    probabilities = exact(ROTATED)
    counts = run(runner, ROTATED, shots=20_000, seed=seed, method=method).counts
    assert set(counts) <= set(probabilities)
    keys = sorted(probabilities)
    assert_plausible(
        [counts.get(key, 0) for key in keys], [20_000 * probabilities[key] for key in keys]
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shots_of_a_circuit_with_feedback_follow_its_exact_distribution(
    runner: Runner, seed: int
) -> None:
    one, other = sin(0.6) ** 2, cos(0.6) ** 2
    flipped = sin(0.35) ** 2
    high = one + other * flipped
    counts = run(runner, FEEDBACK, shots=20_000, seed=seed).counts
    expected = {"00": (1 - high) / 2, "01": (1 - high) / 2, "10": high / 2, "11": high / 2}
    assert_plausible([counts[key] for key in expected], [20_000 * p for p in expected.values()])


@pytest.mark.parametrize("text", [BELL, ROTATED, FEEDBACK])
def test_the_seed_decides_every_shot(runner: Runner, text: str) -> None:
    first, second, other = (
        run(runner, text, shots=300, seed=seed, memory=True) for seed in (5, 5, 6)
    )
    assert first.memory == second.memory
    assert first.memory != other.memory


@pytest.mark.parametrize("text", [BELL, ROTATED, FEEDBACK])
def test_counts_are_the_same_with_and_without_memory_and_agree_with_it(
    runner: Runner, text: str
) -> None:
    plain = run(runner, text, shots=500, seed=9)
    kept = run(runner, text, shots=500, seed=9, memory=True)
    assert plain.memory is None
    assert kept.counts == plain.counts
    assert kept.memory is not None
    assert {key: kept.memory.count(key) for key in kept.counts} == kept.counts


def test_a_drawn_seed_is_recorded_and_repeats_the_run(runner: Runner) -> None:
    first = run(runner, ROTATED)
    assert run(runner, ROTATED, seed=first.execution["seed"]).counts == first.counts
    assert run(runner, ROTATED).execution["seed"] != first.execution["seed"]


def test_threads_do_not_change_the_counts() -> None:
    text = HEAD + "qubit[16] q; ry(0.4) q; cz q[0], q[15]; h q; measure q;"
    counts = [
        run(Runner(EngineLimits(simulator_threads=threads)), text, shots=200, seed=3).counts
        for threads in (1, 2)
    ]
    assert counts[0] == counts[1]


def test_scalar_bits_registers_and_unmeasured_bits_all_have_their_place(runner: Runner) -> None:
    text = HEAD + "qubit[2] q; bit a; bit[3] b; bit c; x q; b[1] = measure q[0]; c = measure q[1];"
    assert run(runner, text, shots=7).counts == {"1 010 0": 7}


def test_intermediate_values_are_no_part_of_the_outcome(runner: Runner) -> None:
    text = (
        HEAD + "qubit[2] q; bit[2] c; x q; c = measure q;"
        " if (c[0] ^ c[1] == false) { x q[0]; } c = measure q;"
    )
    assert run(runner, text, shots=5).counts == {"10": 5}


def test_measure_all_is_recorded(runner: Runner) -> None:
    text = HEAD + "qubit[2] q; x q[1];"
    outcome = run(runner, text, shots=3, measure_all=True)
    assert outcome.counts == {"10": 3}
    assert outcome.execution["measure_all"] is True


def test_parameters_are_bound(runner: Runner) -> None:
    text = HEAD + "input float theta; qubit q; rx(theta) q; measure q;"
    request = RunRequest(text, RunOptions(shots=4), {"theta": 3.141592653589793})
    outcome = runner.run(request)
    assert isinstance(outcome, RunSucceeded)
    assert outcome.counts == {"1": 4}


def test_a_record_says_everything_about_a_run(runner: Runner) -> None:
    record = run(runner, BELL, shots=100, seed=4).execution
    assert json.loads(json.dumps(record)) == record
    assert record["seed"] == 4
    assert record["shots"] == 100
    assert record["method"] == "stabilizer"
    assert "Clifford" in record["method_reason"]
    assert record["circuit_sha256"] == hashlib.sha256(BELL.encode()).hexdigest()
    assert (record["qubits"], record["clbits"], record["depth"]) == (2, 2, 3)
    assert record["operations"] == {"h": 1, "cx": 1, "measure": 2}
    assert set(record["versions"]) == {"ketlog", "python", "qiskit", "qiskit_aer", "numpy"}
    assert set(record["durations"]) == {"parse", "compile", "run"}
    assert record["peak_memory_bytes"] > 0
    assert record["simulator"]["max_parallel_threads"] == 1


def test_layout_and_comments_do_not_change_the_normalised_hash(runner: Runner) -> None:
    spread = BELL.replace(";", " ;\n// a comment\n")
    first, second = (run(runner, text, shots=1).execution for text in (BELL, spread))
    assert first["circuit_sha256"] != second["circuit_sha256"]
    assert first["normalised_sha256"] == second["normalised_sha256"]


def test_a_circuit_that_comes_again_gives_the_same_counts(runner: Runner) -> None:
    text = ROTATED + "// again"
    fresh, kept = (run(runner, text, shots=400, seed=8) for _ in range(2))
    assert kept.execution["durations"]["parse"] == 0
    assert kept.counts == fresh.counts


def test_text_that_is_no_unicode_is_hashed_and_answered(runner: Runner) -> None:
    outcome = run(runner, HEAD + "qubit q; // \ud800\n x q; measure q;", shots=2)
    assert outcome.counts == {"1": 2}
    assert len(outcome.execution["circuit_sha256"]) == 64


LIMITS = EngineLimits()


@pytest.mark.parametrize(
    ("limit", "text", "options", "code"),
    [
        ({"max_circuit_bytes": 50}, BELL, {}, "program_too_large"),
        ({"max_nesting": 5}, HEAD + f"qubit q; rx({'(' * 9}1{')' * 9}) q; measure q;", {},
         "too_deeply_nested"),
        ({"max_qubits": 1}, BELL, {}, "too_many_qubits"),
        ({"max_clbits": 1}, BELL, {}, "too_many_clbits"),
        ({"max_operations": 3}, BELL, {}, "too_many_operations"),
        ({"max_steps": 50}, HEAD + "qubit q; for int i in [0:99] { x q; } measure q;", {},
         "too_many_steps"),
        ({"max_shots": 10}, BELL, {"shots": 11}, "too_many_shots"),
        ({"max_dynamic_operations": 100}, FEEDBACK, {}, "too_much_work"),
        ({"max_outcomes": 3}, HEAD + "qubit[8] q; h q; measure q;", {}, "too_many_outcomes"),
        ({"max_outcomes": 3}, HEAD + "qubit[8] q; ry(1) q; measure q;", {}, "too_many_outcomes"),
        ({"max_outcomes": 3}, HEAD + "qubit[99] q; h q; measure q;", {}, "too_many_outcomes"),
        ({"max_result_bytes": 99}, BELL, {"memory": True}, "result_too_large"),
        ({"max_result_bytes": 99}, HEAD + "qubit[99] q; h q[0]; measure q;", {},
         "result_too_large"),
        ({"simulator_memory_mb": 1}, HEAD + "qubit[17] q; ry(1) q; measure q;", {},
         "too_much_memory"),
        ({"max_timeout_seconds": 5.0}, BELL, {"timeout_seconds": 6.0}, "invalid_option"),
        ({}, BELL, {"shots": 0}, "invalid_option"),
        ({}, ROTATED, {"method": "stabilizer"}, "unsuitable_method"),
        ({}, HEAD + "qubit q; h q;", {}, "no_measurement"),
        ({}, "task 1", {}, "parse_error"),
    ],
)  # fmt: skip
def test_each_limit_has_its_code(
    limit: dict[str, Any], text: str, options: dict[str, Any], code: str
) -> None:
    assert refuse(replace(LIMITS, **limit), text, **options).code == code


def test_a_fault_of_the_engine_costs_its_own_run_alone(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("inside")

    with monkeypatch.context() as patched:
        patched.setattr(runner._preparation, "prepare", fail)
        outcome = runner.run(RunRequest(BELL))
    assert isinstance(outcome, RunFailed)
    assert outcome.code == "engine_error"
    assert "ZeroDivisionError: inside" in outcome.message
    assert run(runner, BELL).counts


def test_memory_that_cannot_be_had_is_a_reason_to_fail(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(runner._preparation, "prepare", fail)
    outcome = runner.run(RunRequest(BELL))
    assert isinstance(outcome, RunFailed)
    assert outcome.code == "too_much_memory"


def test_only_what_an_outcome_depends_on_has_to_fit_into_memory(runner: Runner) -> None:
    text = HEAD + "qubit[200] q; bit c; ry(1.5) q; cx q[7], q[100]; c = measure q[100];"
    outcome = run(runner, text, shots=100)
    assert outcome.execution["qubits"] == 200
    assert outcome.execution["simulated_qubits"] == 2


def test_a_wide_cat_state_is_quick(runner: Runner) -> None:
    text = HEAD + "qubit[200] q; h q[0]; for int i in [0:198] { cx q[i], q[i + 1]; } measure q;"
    counts = run(runner, text, shots=20_000).counts
    assert set(counts) == {"0" * 200, "1" * 200}


def test_more_shots_than_a_batch_holds_are_all_counted(runner: Runner) -> None:
    outcome = run(runner, FEEDBACK, shots=5000, seed=1, memory=True)
    assert outcome.memory is not None
    assert len(outcome.memory) == sum(outcome.counts.values()) == 5000
