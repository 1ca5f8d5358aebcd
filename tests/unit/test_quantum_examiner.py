"""What is said of circuits that are not run."""

from typing import Any

import pytest

from domain.execution import RunFailed, RunOptions, RunRequest, RunSucceeded
from domain.inspection import CircuitDrawing, CircuitReport, Inspection
from infrastructure.quantum.drawing import MOST_OPERATIONS, MOST_WIRES
from infrastructure.quantum.examiner import Examiner
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.runner import Runner
from service.api.check_models import RunnableCircuit
from tests.support.tasks import BELL, QUICKSTART

LIMITS = EngineLimits(max_dynamic_operations=50_000, max_result_bytes=100_000)
TWO_REGISTERS = "OPENQASM 3; qubit[2] q; bit[2] here; bit there; h q; here = measure q;"
STEERED = "OPENQASM 3; qubit q; bit c; h q; c = measure q; if (c) { x q; } c = measure q;"
ENDLESS = "OPENQASM 3; qubit q; bit c; while (!c) { h q; c = measure q; }"
ROTATION = "OPENQASM 3; input float theta; qubit q; rx(theta) q; measure q;"


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    made = Examiner(LIMITS)
    made.warm_up()
    return made


def facts(examiner: Examiner, circuit: str, **options: Any) -> dict[str, Any]:
    """The report on a circuit that can be run, as the API will read it."""
    answer = examiner.inspect(Inspection("check", RunRequest(circuit, RunOptions(**options))))
    assert isinstance(answer, CircuitReport), answer
    said = RunnableCircuit.model_validate({"runnable": True, **answer.facts}, strict=True)
    return said.model_dump(exclude={"runnable"})


def refusal(examiner: Examiner, circuit: str, **options: Any) -> RunFailed:
    answer = examiner.inspect(Inspection("check", RunRequest(circuit, RunOptions(**options))))
    assert isinstance(answer, RunFailed), answer
    return answer


def drawing(examiner: Examiner, request: RunRequest) -> str:
    answer = examiner.inspect(Inspection("drawing", request))
    assert isinstance(answer, CircuitDrawing), answer
    return answer.text


def test_a_report_says_what_the_record_of_a_run_says(examiner: Examiner) -> None:
    said = facts(examiner, BELL, shots=500)
    outcome = Runner(LIMITS).run(RunRequest(BELL, RunOptions(shots=500)))
    assert isinstance(outcome, RunSucceeded)
    shared = set(said) & set(outcome.execution)
    assert {"qubits", "clbits", "depth", "operations", "method", "method_reason"} < shared
    assert {name: said[name] for name in shared} == {
        name: outcome.execution[name] for name in shared
    }
    assert said["operations"] == {"h": 1, "cx": 1, "measure": 2}
    assert said["memory_bytes"] == outcome.execution["estimated_memory_bytes"]
    assert (said["timeout_seconds"], said["warnings"]) == (60.0, [])
    assert 0 < said["expected_seconds"]["low"] < said["expected_seconds"]["high"] < 0.1


def test_registers_are_named_in_order_of_declaration(examiner: Examiner) -> None:
    assert facts(examiner, TWO_REGISTERS)["registers"] == [
        {"name": "here", "bits": 2},
        {"name": "there", "bits": 1},
    ]


def test_more_work_is_expected_to_take_longer(examiner: Examiner) -> None:
    small, large = (
        facts(examiner, f"OPENQASM 3; qubit[{n}] q; h q; t q; h q; measure q;", shots=64)
        for n in (4, 22)
    )
    assert large["expected_seconds"]["low"] > 10 * small["expected_seconds"]["high"]
    few, many = (facts(examiner, STEERED, shots=shots) for shots in (1, 10_000))
    assert many["expected_seconds"]["high"] > few["expected_seconds"]["high"]


@pytest.mark.parametrize(
    "method",
    [
        "statevector",
        "density_matrix",
        "stabilizer",
        "matrix_product_state",
        "extended_stabilizer",
    ],
)
@pytest.mark.parametrize("circuit", [BELL, STEERED])
def test_every_method_has_an_expectation(examiner: Examiner, circuit: str, method: str) -> None:
    said = facts(examiner, circuit, shots=10, method=method)
    assert said["method"] == method
    assert 0 < said["expected_seconds"]["low"] <= said["expected_seconds"]["high"] <= 60


def test_a_run_is_expected_to_be_within_its_range(examiner: Examiner) -> None:
    gates = "".join(f"rx(0.{k + 1}) q[{k}]; cx q[{k}], q[{(k + 1) % 19}];" for k in range(19))
    circuit = f"OPENQASM 3; qubit[19] q; {gates * 5} measure q;"
    expected = facts(examiner, circuit)["expected_seconds"]
    outcome = Runner(LIMITS).run(RunRequest(circuit))
    assert isinstance(outcome, RunSucceeded)
    taken = sum(outcome.execution["durations"].values())
    # A machine that does much else may take longer than any model of it.
    assert expected["low"] < taken < 5 * expected["high"]


def test_what_will_be_stopped_is_warned_of(examiner: Examiner) -> None:
    wide = "OPENQASM 3; qubit[27] q; h q; t q; h q; measure q;"
    said = facts(examiner, wide, timeout_seconds=0.5)
    assert said["expected_seconds"] == {"low": 0.5, "high": 0.5}
    assert "will probably be stopped after 0.5 seconds" in said["warnings"][0]
    assert "may be stopped" in facts(examiner, ENDLESS, shots=10)["warnings"][0]


def test_parameters_and_measure_all_are_taken_as_in_a_run(examiner: Examiner) -> None:
    request = RunRequest(
        ROTATION.replace(" measure q;", ""), RunOptions(measure_all=True), {"theta": 0.5}
    )
    answer = examiner.inspect(Inspection("check", request))
    assert isinstance(answer, CircuitReport)
    assert answer.facts["measure_all"] is True
    assert "Rx(0.5)" in drawing(examiner, request)


@pytest.mark.parametrize(
    ("circuit", "options", "code"),
    [
        ("OPENQASM 3; qubit q", {}, "parse_error"),
        ("OPENQASM 3; qubit q; h q;", {}, "no_measurement"),
        (ROTATION, {}, "missing_parameter"),
        (BELL, {"shots": 0}, "invalid_option"),
        (BELL, {"shots": 30_000, "memory": True}, "result_too_large"),
        (STEERED, {"shots": 50_000}, "too_much_work"),
        ("OPENQASM 3; qubit[40] q; h q; t q; h q; measure q;", {}, "too_much_memory"),
        ("OPENQASM 3; qubit[1000000000] q; measure q;", {}, "too_many_qubits"),
        (
            "OPENQASM 3; qubit q; t q; h q; measure q;",
            {"method": "stabilizer"},
            "unsuitable_method",
        ),
    ],
)
def test_a_refusal_is_that_of_a_run(
    examiner: Examiner, circuit: str, options: dict[str, Any], code: str
) -> None:
    refused = refusal(examiner, circuit, **options)
    assert refused.code == code
    assert refused == Runner(LIMITS).run(RunRequest(circuit, RunOptions(**options)))


def test_a_circuit_is_drawn_with_its_wires(examiner: Examiner) -> None:
    text = drawing(examiner, RunRequest(QUICKSTART))
    assert "┤ H ├" in text
    assert "┤M├" in text
    assert text.endswith("\n")


@pytest.mark.parametrize(
    "circuit",
    [
        f"OPENQASM 3; qubit[{MOST_WIRES}] q; bit c; c = measure q[0];",
        f"OPENQASM 3; qubit q; for int i in [1:{MOST_OPERATIONS}] {{ h q; }} measure q;",
        "OPENQASM 3; qubit q; bit c; c = measure q; if (c) { for int i in [1:"
        f"{MOST_OPERATIONS}] {{ h q; }} }} c = measure q;",
    ],
)
def test_what_nobody_could_read_is_not_drawn(examiner: Examiner, circuit: str) -> None:
    answer = examiner.inspect(Inspection("drawing", RunRequest(circuit)))
    assert isinstance(answer, RunFailed)
    assert answer.code == "too_large_to_draw"
    assert isinstance(examiner.inspect(Inspection("check", RunRequest(circuit))), CircuitReport)
