"""Spans kept in the database."""

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from domain.errors import StoreUnavailable
from infrastructure.postgres.connect import Database
from infrastructure.postgres.traces import PostgresTraces
from infrastructure.telemetry.otlp_json import encode_span

TRACE, OTHER = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x1


@pytest.fixture
async def traces(database_url: str) -> AsyncIterator[PostgresTraces]:
    database = Database(database_url, size=2, application_name="test")
    yield PostgresTraces(database)
    await database.close()


def span(span_id: int, trace_id: int = TRACE, name: str = "work") -> ReadableSpan:
    context = SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(1))
    resource = Resource({"service.name": "ketlog-test"})
    return ReadableSpan(name, context, resource=resource, start_time=1, end_time=2)


async def names(traces: PostgresTraces, trace_id: int = TRACE) -> set[str]:
    return {stored.span["name"] for stored in await traces.of_trace(f"{trace_id:032x}")}


async def test_a_span_is_found_as_it_was_recorded(traces: PostgresTraces) -> None:
    await traces.add([span(1)])
    (stored,) = await traces.of_trace(f"{TRACE:032x}")
    assert stored.span == encode_span(span(1))
    assert stored.resource == {"service.name": "ketlog-test"}


async def test_the_spans_of_other_traces_are_left_out(traces: PostgresTraces) -> None:
    await traces.add([span(1, name="a"), span(2, name="b"), span(1, OTHER, "c")])
    assert await names(traces) == {"a", "b"}
    assert await names(traces, 0x2) == set()


async def test_the_first_of_two_spans_with_one_id_stays(traces: PostgresTraces) -> None:
    await traces.add([span(1, name="first")])
    await traces.add([span(1, name="second"), span(2, name="another")])
    assert await names(traces) == {"first", "another"}


async def test_old_spans_are_forgotten_so_many_at_a_time(traces: PostgresTraces) -> None:
    await traces.add([span(number) for number in range(1, 6)])
    assert [await traces.forget(0.0, 3) for _ in range(3)] == [3, 2, 0]
    assert await names(traces) == set()


async def test_spans_that_are_not_old_enough_stay(traces: PostgresTraces) -> None:
    await traces.add([span(1)])
    assert await traces.forget(3600.0, 10) == 0
    assert await names(traces) == {"work"}


async def test_an_absent_database_is_reported() -> None:
    away = PostgresTraces(
        Database("postgresql://nobody@127.0.0.1:1/none", size=2, application_name="test")
    )
    with pytest.raises(StoreUnavailable):
        await away.add([span(1)])
