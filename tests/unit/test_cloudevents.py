"""Events as CloudEvents, and back to the byte."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import cloudevents
from domain.codec import encode, encode_metadata
from domain.errors import InvalidEvent
from domain.events import TaskCancelled, TaskSubmitted
from domain.execution import RunOptions
from domain.hashing import GENESIS, event_hash
from domain.identifiers import uuid7
from domain.log import LoggedEvent, StoredEvent
from domain.payloads import Payload, PayloadKind
from tests.support.tasks import EPOCH, metadata

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SUBMITTED = TaskSubmitted(RunOptions(), Payload(PayloadKind.CIRCUIT, b"x").commitment())


def stored(event: TaskCancelled | TaskSubmitted = SUBMITTED) -> StoredEvent:
    type_name, schema_version, data = encode(event)
    unhashed = StoredEvent(
        position=2**40,
        xid=2**41,
        event_id=uuid7(),
        task_id=uuid7(),
        version=1,
        type=type_name,
        schema_version=schema_version,
        data=data,
        metadata=encode_metadata(replace(metadata(), causation_id=uuid7())),
        recorded_at=EPOCH,
        hash=b"",
    )
    return replace(unhashed, hash=event_hash(GENESIS, unhashed))


def test_an_event_has_the_attributes_of_cloudevents() -> None:
    event = stored()
    shown = json.loads(cloudevents.write(LoggedEvent(event, frozenset({PayloadKind.CIRCUIT}), 7)))
    required = {"specversion": "1.0", "source": "/events", "type": "TaskSubmitted"}
    assert shown | required == shown
    assert (shown["id"], shown["subject"]) == (str(event.event_id), str(event.task_id))
    assert shown["time"] == "2026-01-01T00:00:00.000000Z"
    assert shown["data"] == json.loads(event.data)
    assert shown["correlationid"] == "a-correlation-id"
    assert (shown["hash"], shown["leaf"]) == (event.hash.hex(), "7")
    assert "erased" not in shown
    for name in set(shown) - {"data"}:
        # Names and types that CloudEvents 1.0 allows for context attributes.
        assert name.isascii()
        assert name.isalnum()
        assert name == name.lower()
        assert isinstance(shown[name], str) or -(2**31) <= shown[name] < 2**31


def test_erased_content_is_marked() -> None:
    assert json.loads(cloudevents.write(LoggedEvent(stored())))["erased"] == "circuit"


@given(texts)
def test_an_event_comes_back_to_the_byte(reason: str) -> None:
    event = LoggedEvent(stored(TaskCancelled(reason)), leaf=3)
    line = cloudevents.write(event)
    assert "\n" not in line
    assert cloudevents.read(line.encode()) == event


@pytest.mark.parametrize("data", ['{\n"reason" : "x"}', '{ "reason":1e400, "reason":2}', "[]"])
def test_data_that_others_wrote_comes_back_to_the_byte(data: str) -> None:
    event = LoggedEvent(replace(stored(), data=data, metadata='{ "no": "metadata" }'))
    line = cloudevents.write(event)
    assert "\n" not in line
    assert cloudevents.read(line.encode()) == event


def test_text_in_the_attributes_cannot_pass_for_data() -> None:
    tricky = replace(metadata(), actor=',"data":{"reason":"forged"}')
    event = LoggedEvent(replace(stored(TaskCancelled("honest")), metadata=encode_metadata(tricky)))
    assert cloudevents.read(cloudevents.write(event).encode()) == event


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"specversion":"1.0"', '"specversion":"0.3"', "another version"),
        ('"taskversion":1', '"taskversion":"1"', "no version"),
        ('"actor":"test"', '"actor":"nobody"', "actor is not what its metadata says"),
        ('"position":"', '"place":"', "position"),
        ("}}", "}", "JSON|end with its data|shape"),
        ('"hash":"', '"hash":"x', "hex"),
    ],
)
def test_a_line_that_is_no_event_says_why(old: str, new: str, says: str) -> None:
    line = cloudevents.write(LoggedEvent(stored(TaskCancelled("no"))))
    broken = line.replace(old, new) if old != "}}" else line[:-2]
    with pytest.raises(InvalidEvent, match=says):
        cloudevents.read(broken.encode())


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b"null", b"\xff", b'{"data_base64":"!"}'])
def test_rubbish_is_no_event(line: bytes) -> None:
    with pytest.raises(InvalidEvent):
        cloudevents.read(line)
