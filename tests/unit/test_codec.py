"""Stored events are read again, whatever version wrote them."""

import json
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import codec
from domain.errors import InvalidEvent
from domain.events import (
    EVENT_TYPES,
    Event,
    ProcessingStarted,
    RequeueReason,
    ResultDiverged,
    ResultReproduced,
    TaskCancelled,
    TaskCompleted,
    TaskErased,
    TaskFailed,
    TaskRequeued,
    TaskSubmitted,
)
from domain.execution import METHODS, RunOptions
from domain.identifiers import new_traceparent, uuid7
from domain.labels import NO_LABELS, Labels, Priority
from domain.log import Metadata
from domain.payloads import Commitment, PayloadKind

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
commitments = st.builds(
    Commitment, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(0)
)
options = st.builds(
    RunOptions,
    shots=st.integers(1, 10**6),
    seed=st.none() | st.integers(0, 2**63 - 1),
    method=st.sampled_from(METHODS),
    memory=st.booleans(),
    timeout_seconds=st.none() | st.floats(0.1, 1e6),
    measure_all=st.booleans(),
)
labels = st.builds(
    Labels,
    st.none() | texts,
    st.dictionaries(texts, texts, max_size=3),
    st.sampled_from(Priority),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.uuids(),
    st.none() | st.uuids(),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(texts, json_values, max_size=4)
distances = st.floats(0, 1)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(TaskSubmitted, options, commitments, st.none() | commitments, labels),
    st.builds(ProcessingStarted, st.integers(1), texts),
    st.builds(
        TaskCompleted,
        st.integers(1),
        commitments,
        mappings,
        st.none() | commitments,
    ),
    st.builds(TaskFailed, st.integers(1), texts, texts, st.none() | st.integers(1), st.none()),
    st.builds(TaskCancelled, texts),
    st.builds(TaskRequeued, st.integers(1), st.sampled_from(RequeueReason), texts),
    st.builds(ResultReproduced, distances, mappings, mappings),
    st.builds(ResultDiverged, distances, mappings, mappings, texts),
    st.builds(TaskErased, st.lists(st.sampled_from(PayloadKind), unique=True).map(tuple)),
)


@given(events)
def test_an_event_comes_back_as_it_was_written(event: Event) -> None:
    assert codec.decode(*codec.encode(event)) == event


@given(events)
def test_data_is_written_as_the_json_module_writes_it(event: Event) -> None:
    data = codec.encode(event)[2]
    assert data == codec.to_json(json.loads(data))


@given(labels)
def test_labels_come_back_as_they_were_written_and_nothing_where_there_are_none(
    given_labels: Labels,
) -> None:
    text = codec.encode_labels(given_labels)
    assert codec.decode_labels(text) == given_labels
    assert codec.encode_labels(codec.decode_labels(text)) == text
    assert (text is None) == (given_labels == NO_LABELS)


@pytest.mark.parametrize("text", ["[]", "1", '{"priority": "urgent"}', '{"origin": "no uuid"}'])
def test_labels_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(InvalidEvent, match="labels"):
        codec.decode_labels(text)


@given(texts, st.none() | st.uuids(), texts)
def test_metadata_comes_back_as_it_was_written(text: str, cause: object, tenant: str) -> None:
    metadata = Metadata(text, new_traceparent(), text, uuid7() if cause else None, tenant)
    assert codec.decode_metadata(codec.encode_metadata(metadata)) == metadata


def test_metadata_without_a_tenant_is_written_as_it_was_before_there_were_any() -> None:
    metadata = Metadata("c", "t", "api")
    assert codec.encode_metadata(metadata) == (
        '{"correlation_id":"c","causation_id":null,"traceparent":"t","actor":"api"}'
    )


def test_what_follows_a_task_is_of_its_tenant_and_correlation() -> None:
    first = Metadata("c", "t", "api", tenant="north")
    cause = uuid7()
    assert first.followed_by("relay", cause) == Metadata("c", "t", "relay", cause, "north")
    assert first.followed_by("api", cause, "u") == Metadata("c", "u", "api", cause, "north")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_version_ever_written_is_still_read(path: Path) -> None:
    golden = json.loads(path.read_text())
    event = codec.decode(golden["type"], golden["schema_version"], json.dumps(golden["data"]))
    assert repr(event) == golden["reads_as"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_version_written_now_still_has_its_shape(path: Path) -> None:
    golden = json.loads(path.read_text())
    if golden["schema_version"] != codec.SCHEMA_VERSIONS[golden["type"]]:
        pytest.skip("an older version, which is only read")
    event = codec.decode(golden["type"], golden["schema_version"], json.dumps(golden["data"]))
    assert json.loads(codec.encode(event)[2]) == golden["data"]


def test_every_type_and_version_has_a_golden_file() -> None:
    have = {".".join(path.stem.split(".")[:2]) for path in GOLDEN}
    want = {
        f"{kind.__name__}.v{version}"
        for kind in EVENT_TYPES
        for version in range(1, codec.SCHEMA_VERSIONS[kind.__name__] + 1)
    }
    assert have == want


@pytest.mark.parametrize(
    ("type_name", "version", "data"),
    [
        ("TaskTeleported", 1, "{}"),
        ("TaskCancelled", 2, '{"reason": "no"}'),
        ("TaskCancelled", 0, '{"reason": "no"}'),
        ("TaskCancelled", 1, "{}"),
        ("TaskCancelled", 1, "[1]"),
        ("TaskCancelled", 1, "not json"),
        ("TaskRequeued", 1, '{"attempt": 1, "reason": "bored", "detail": ""}'),
        ("TaskErased", 1, '{"contents": ["circuit", "diary"]}'),
        ("TaskSubmitted", 1, '{"options": {"shot": 1}, "circuit": {}, "parameters": null}'),
    ],
)
def test_data_that_no_version_explains_is_named(type_name: str, version: int, data: str) -> None:
    with pytest.raises(InvalidEvent, match=type_name):
        codec.decode(type_name, version, data)


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"causation_id": "no uuid"}'])
def test_metadata_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(InvalidEvent, match="metadata"):
        codec.decode_metadata(text)


def test_upcasters_lead_from_any_old_version_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "SCHEMA_VERSIONS", {**codec.SCHEMA_VERSIONS, "TaskCancelled": 3})
    monkeypatch.setattr(
        codec,
        "UPCASTERS",
        {
            ("TaskCancelled", 1): lambda data: {"why": data["reason"]},
            ("TaskCancelled", 2): lambda data: {"reason": f"{data['why']}!"},
        },
    )
    assert codec.decode("TaskCancelled", 1, '{"reason": "no"}') == TaskCancelled("no!")
    assert codec.decode("TaskCancelled", 2, '{"why": "no"}') == TaskCancelled("no!")


def test_values_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        codec.to_json({"depth": float("nan")})
