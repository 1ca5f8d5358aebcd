"""`POST /circuits:check`: what a worker says of a circuit, over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.errors import InspectionRefused, InspectionTooLong, InspectorAway, InspectorBusy
from domain.execution import RunFailed, RunOptions, RunRequest
from domain.inspection import CircuitDrawing, CircuitReport, Inspection
from service.api.check_models import CircuitCheck
from service.api.examples import SUBMISSIONS
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import QUICKSTART

FACTS: dict[str, Any] = {
    "openqasm": "3.0",
    "qubits": 1,
    "clbits": 1,
    "depth": 2,
    "operations": {"h": 1, "measure": 1},
    "registers": [{"name": "meas", "bits": 1}],
    "measure_all": False,
    "simulated_qubits": 1,
    "method": "stabilizer",
    "method_reason": "Every gate is a Clifford gate.",
    "sampler": "stabilizer_support",
    "memory_bytes": 3,
    "shots": 1024,
    "expected_seconds": {"low": 0.0003, "high": 0.003},
    "timeout_seconds": 60.0,
    "warnings": [],
}


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api(max_circuit_bytes=1000) as made:
        made.inspector.answer = CircuitReport(FACTS)
        yield made


async def check(api: InProcessApi, body: object) -> dict[str, Any]:
    """The answer about a body that can be checked."""
    answer = await api.http.post("/circuits:check", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    CircuitCheck.model_validate(answer.json())
    return dict(answer.json())


async def test_a_circuit_that_can_be_run_is_described(api: InProcessApi) -> None:
    assert await check(api, {"circuit": QUICKSTART}) == {"runnable": True, **FACTS}
    assert api.inspector.asked == [Inspection("check", RunRequest(QUICKSTART))]
    assert (api.committed, api.store.streams) == ([], {})


async def test_the_whole_submission_is_looked_at(api: InProcessApi) -> None:
    await check(
        api,
        {
            "circuit": "x",
            "shots": 7,
            "seed": 3,
            "method": "statevector",
            "memory": True,
            "timeout_seconds": 2.5,
            "measure_all": True,
            "parameters": {"theta": 0.5},
        },
    )
    options = RunOptions(7, 3, "statevector", True, 2.5, True)
    assert api.inspector.asked == [Inspection("check", RunRequest("x", options, {"theta": 0.5}))]


@pytest.mark.parametrize("sample", SUBMISSIONS.values())
async def test_whatever_can_be_submitted_can_be_checked(
    api: InProcessApi, sample: dict[str, Any]
) -> None:
    await check(api, sample["value"])


async def test_a_circuit_that_cannot_be_run_has_its_error_and_place(api: InProcessApi) -> None:
    api.inspector.answer = RunFailed("parse_error", "expected ';'", 1, 5)
    assert await check(api, {"circuit": "test"}) == {
        "runnable": False,
        "error_code": "parse_error",
        "error_message": "line 1, column 5: expected ';'",
        "errors": [{"code": "parse_error", "message": "expected ';'", "line": 1, "column": 5}],
    }
    api.inspector.answer = RunFailed("too_much_memory", "Too much.")
    refused = await check(api, {"circuit": "test"})
    assert refused["error_message"] == "Too much."
    assert refused["errors"] == [{"code": "too_much_memory", "message": "Too much."}]


@pytest.mark.parametrize(
    ("refusal", "status", "kind"),
    [
        (InspectorAway("no worker is there"), 503, "no-worker"),
        (InspectorBusy("too many"), 503, "too-many-checks"),
        (InspectionTooLong("stopped after 10 seconds"), 504, "check-too-long"),
    ],
)
async def test_without_an_answer_it_is_said_why_and_when_to_ask_again(
    api: InProcessApi, refusal: InspectionRefused, status: int, kind: str
) -> None:
    api.inspector.answer = refusal
    answer = await api.http.post("/circuits:check", json={"circuit": "x"})
    document = problem(answer, status)
    assert document["type"] == f"urn:ketlog:problem:{kind}"
    assert "submit" in document["detail"]
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "answer",
    [
        CircuitDrawing("not what was asked for"),
        CircuitReport({}),
        CircuitReport(FACTS | {"qubits": "<script>"}),
        CircuitReport(FACTS | {"method": "magic"}),
    ],
)
async def test_an_answer_of_another_form_goes_no_further(
    api: InProcessApi, answer: CircuitDrawing | CircuitReport
) -> None:
    api.inspector.answer = answer
    refused = await api.http.post("/circuits:check", json={"circuit": "x"})
    assert problem(refused, 503)["type"] == "urn:ketlog:problem:no-worker"
    assert "script" not in refused.text


async def test_fields_that_only_a_newer_worker_knows_are_left_out(api: InProcessApi) -> None:
    api.inspector.answer = CircuitReport(FACTS | {"entanglement": 1})
    assert await check(api, {"circuit": "x"}) == {"runnable": True, **FACTS}


async def test_bad_bodies_are_refused_as_for_a_submission(api: InProcessApi) -> None:
    for body, status in (
        (b"{", 400),
        (b'{"circuit": "x", "shots": 0}', 422),
        (b'{"circuit": "x", "color": 1}', 422),
        (json.dumps({"circuit": "x" * 1001}).encode(), 422),
        (b'{"circuit": "' + b"x" * 80_000 + b'"}', 413),
    ):
        headers = {"Content-Type": "application/json"}
        checked = await api.http.post("/circuits:check", content=body, headers=headers)
        submitted = await api.submit_bytes(body)
        problem(checked, status)
        assert bad_fields(checked, status) == bad_fields(submitted, status)
    plain = await api.http.post("/circuits:check", content=b"x")
    problem(plain, 415)
    assert api.inspector.asked == []


async def test_checks_are_requests_in_flight_too() -> None:
    async with in_process_api(max_requests_in_flight=1) as api:
        api.inspector.answer = CircuitReport(FACTS)
        for _ in range(3):
            await check(api, {"circuit": "x"})
