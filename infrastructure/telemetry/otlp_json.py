"""Spans as OTLP JSON, which collectors and trace viewers read.

Ids are hexadecimal and 64-bit numbers are strings, as OTLP's JSON encoding asks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, StatusCode

Json: TypeAlias = dict[str, Any]


def encode_span(span: ReadableSpan) -> Json:
    """Return one span as an element of `scopeSpans.spans`."""
    context = span.context
    if context is None:
        raise ValueError("a span without a context cannot be stored")
    encoded: Json = {
        **_ids(context),
        "name": span.name,
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": encode_attributes(span.attributes or {}),
        "flags": int(context.trace_flags),
    }
    if span.parent is not None:
        encoded["parentSpanId"] = f"{span.parent.span_id:016x}"
    if span.links:
        encoded["links"] = [_ids(link.context) for link in span.links]
    if span.status.status_code is StatusCode.ERROR:
        encoded["status"] = {"code": 2, "message": span.status.description or ""}
    return encoded


def encode_attributes(attributes: Mapping[str, Any]) -> list[Json]:
    """Return attributes as OTLP key-value pairs."""
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def decode_attributes(pairs: Iterable[Json]) -> dict[str, str | int | float | bool]:
    """Return OTLP key-value pairs as a mapping."""
    return {pair["key"]: _plain(pair["value"]) for pair in pairs}


def document(spans: Sequence[tuple[Mapping[str, Any], Json]]) -> Json:
    """Return spans, each with the attributes of its resource, as a whole OTLP document."""
    by_resource: dict[tuple[tuple[str, Any], ...], list[Json]] = {}
    for resource, span in spans:
        by_resource.setdefault(tuple(sorted(resource.items())), []).append(span)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": encode_attributes(dict(resource))},
                "scopeSpans": [{"scope": {"name": "ketlog"}, "spans": members}],
            }
            for resource, members in by_resource.items()
        ]
    }


def _ids(context: SpanContext) -> Json:
    return {"traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}"}


def _value(value: Any) -> Json:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": str(value)}


def _plain(value: Json) -> str | int | float | bool:
    ((kind, plain),) = value.items()
    if kind == "intValue":
        return int(plain)
    result: str | int | float | bool = plain
    return result
