"""Spans as OTLP JSON."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from infrastructure.telemetry.otlp_json import (
    decode_attributes,
    document,
    encode_attributes,
    encode_span,
)

TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736


def at(span_id: int) -> SpanContext:
    return SpanContext(TRACE_ID, span_id, is_remote=False, trace_flags=TraceFlags(1))


def test_a_span_of_its_own_has_ids_in_hexadecimal_and_times_as_text() -> None:
    span = ReadableSpan(
        "work", at(0xF067), kind=SpanKind.SERVER, start_time=1_700_000_000_000_000_001, end_time=2
    )
    assert encode_span(span) == {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "000000000000f067",
        "name": "work",
        "kind": 2,
        "startTimeUnixNano": "1700000000000000001",
        "endTimeUnixNano": "2",
        "attributes": [],
        "flags": 1,
    }


def test_a_span_names_the_one_above_it() -> None:
    assert encode_span(ReadableSpan("work", at(2), at(1)))["parentSpanId"] == f"{1:016x}"


def test_a_span_names_those_it_is_linked_to() -> None:
    linked = encode_span(ReadableSpan("work", at(1), links=[Link(at(2)), Link(at(3))]))
    assert [link["spanId"] for link in linked["links"]] == [f"{2:016x}", f"{3:016x}"]
    assert {link["traceId"] for link in linked["links"]} == {f"{TRACE_ID:032x}"}


@pytest.mark.parametrize(("description", "message"), [("no luck", "no luck"), (None, "")])
def test_an_error_is_told_with_its_message(description: str | None, message: str) -> None:
    failed = ReadableSpan("work", at(1), status=Status(StatusCode.ERROR, description))
    assert encode_span(failed)["status"] == {"code": 2, "message": message}


def test_a_span_without_a_context_is_refused() -> None:
    with pytest.raises(ValueError, match="without a context"):
        encode_span(ReadableSpan("work", None))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (True, {"boolValue": True}),
        (2**62, {"intValue": str(2**62)}),
        (0.5, {"doubleValue": 0.5}),
        ("text", {"stringValue": "text"}),
    ],
)
def test_each_kind_of_attribute_comes_back_as_it_was(value: Any, encoded: dict[str, Any]) -> None:
    pairs = encode_attributes({"a": value})
    assert pairs == [{"key": "a", "value": encoded}]
    (decoded,) = decode_attributes(pairs).values()
    assert decoded == value
    assert type(decoded) is type(value)


def test_a_document_groups_spans_by_the_process_that_made_them() -> None:
    api, worker = {"service.name": "ketlog-api"}, {"service.name": "ketlog-worker"}
    whole = document([(api, {"name": "a"}), (worker, {"name": "b"}), (api, {"name": "c"})])
    by_process = {
        decode_attributes(group["resource"]["attributes"])["service.name"]: [
            span["name"] for scope in group["scopeSpans"] for span in scope["spans"]
        ]
        for group in whole["resourceSpans"]
    }
    assert by_process == {"ketlog-api": ["a", "c"], "ketlog-worker": ["b"]}


def test_no_spans_make_an_empty_document() -> None:
    assert document([]) == {"resourceSpans": []}
