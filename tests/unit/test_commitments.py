"""What events say of the contents beside them can be read without reading all of them."""

import json
from pathlib import Path

import pytest

from domain.codec import decode, encode
from domain.contents import commitments, commitments_in
from domain.errors import InvalidEvent
from domain.events import Event, TaskCompleted, TaskSubmitted
from domain.execution import RunOptions
from domain.payloads import Commitment, PayloadKind

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.v*.json"))
ONE, TWO = Commitment("11" * 32, 1), Commitment("22" * 32, 2)


@pytest.mark.parametrize(
    "event",
    [
        TaskSubmitted(RunOptions(), ONE, None),
        TaskSubmitted(RunOptions(), ONE, TWO),
        TaskCompleted(1, ONE, {"result": {"hmac": "not this", "size": 3}}),
        TaskCompleted(1, ONE, {}, TWO),
    ],
)
def test_they_are_those_of_the_whole_event(event: Event) -> None:
    assert commitments_in(*encode(event)) == commitments(event)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: str(file.stem))
def test_every_version_ever_written_is_read(file: Path) -> None:
    name, version = file.stem.split(".")[:2]
    stored = json.loads(file.read_text())
    data = json.dumps(stored.get("data", stored))
    said = commitments_in(name, int(version[1:]), data)
    assert said == commitments(decode(name, int(version[1:]), data))
    if name == "TaskSubmitted":
        assert PayloadKind.CIRCUIT in said


@pytest.mark.parametrize(
    ("type_name", "version", "data"),
    [
        ("TaskTeleported", 1, "{}"),
        ("ProcessingStarted", 99, "{}"),
        ("TaskSubmitted", 99, "{}"),
        ("TaskSubmitted", 1, "{}"),
        ("TaskSubmitted", 1, "[]"),
        ("TaskSubmitted", 1, "{"),
        ("TaskSubmitted", 1, '{"circuit":7,"parameters":null}'),
        ("TaskCompleted", 1, '{"result":{"hmac":"00"},"memory":null}'),
    ],
)
def test_events_that_cannot_be_read_are_refused(type_name: str, version: int, data: str) -> None:
    with pytest.raises(InvalidEvent):
        commitments_in(type_name, version, data)
