"""The language between the pool and its simulators."""

from typing import Any

import pytest

from domain.execution import RunFailed, RunOptions, RunRequest, RunSucceeded
from domain.inspection import CircuitDrawing, CircuitReport, Inspection, InspectionAnswer
from domain.run_json import (
    answer_from_json,
    answer_to_json,
    inspection_from_json,
    inspection_to_json,
    outcome_from_json,
    outcome_to_json,
    request_from_json,
    request_to_json,
)
from infrastructure.quantum.frames import (
    FrameBuffer,
    FrameError,
    frame,
    read_tickets,
    ticket,
)


def test_messages_come_out_of_a_stream_cut_anywhere() -> None:
    messages: list[dict[str, Any]] = [{"token": 1}, {"text": "é" * 1000}, {}]
    stream = b"".join(frame(message) for message in messages)
    buffer = FrameBuffer()
    received: list[dict[str, Any]] = []
    for position in range(len(stream)):
        received += buffer.feed(stream[position : position + 1])
    assert received == messages


def test_lone_surrogates_pass_through() -> None:
    assert list(FrameBuffer().feed(frame({"text": "\ud800"}))) == [{"text": "\ud800"}]


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02{]", b"\0\0\0\x01[1]"])
def test_bytes_that_are_no_frames_are_refused(stream: bytes) -> None:
    with pytest.raises(FrameError):
        list(FrameBuffer().feed(stream))


def test_tickets_are_read_back_in_order() -> None:
    assert read_tickets(ticket(7) + ticket(2**63)) == [7, 2**63]


def test_a_request_survives_the_way() -> None:
    options = RunOptions(5, 2**63 - 1, "statevector", memory=True, timeout_seconds=1.5)
    request = RunRequest("OPENQASM 3;", options, {"theta": 0.5, "table": [1, [True]]})
    (message,) = FrameBuffer().feed(frame(request_to_json(request)))
    assert request_from_json(message) == request


@pytest.mark.parametrize(
    "outcome",
    [
        RunSucceeded({"0 1": 3}, None, {"seed": 1}),
        RunSucceeded({"0": 1, "1": 1}, ("1", "0"), {}),
        RunFailed("parse_error", "no", 1, 2),
        RunFailed("timeout", "late"),
    ],
)
def test_an_outcome_survives_the_way(outcome: RunSucceeded | RunFailed) -> None:
    (message,) = FrameBuffer().feed(frame(outcome_to_json(outcome)))
    assert outcome_from_json(message) == outcome


def test_a_question_about_a_circuit_survives_the_way() -> None:
    asked = Inspection("drawing", RunRequest("OPENQASM 3;", RunOptions(9), {"theta": 0.5}))
    (message,) = FrameBuffer().feed(frame(inspection_to_json(asked)))
    assert inspection_from_json(message) == asked
    with pytest.raises(ValueError, match="unknown kind"):
        inspection_from_json({**message, "kind": "something else"})


@pytest.mark.parametrize(
    "answer",
    [CircuitReport({"qubits": 2}), CircuitDrawing("q: ┤ H ├"), RunFailed("parse_error", "no", 1)],
)
def test_an_answer_about_a_circuit_survives_the_way(answer: InspectionAnswer) -> None:
    (message,) = FrameBuffer().feed(frame(answer_to_json(answer)))
    assert answer_from_json(message) == answer
