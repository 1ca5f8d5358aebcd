"""A process's spans: made, kept for a while, stored, and dropped rather than in the way."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs

from domain.errors import StoreUnavailable
from infrastructure.settings import SamplerName, Settings
from infrastructure.telemetry import metrics, tracing
from infrastructure.telemetry.context import span_id_of, trace_id_of
from infrastructure.telemetry.provide import make_tracing
from infrastructure.telemetry.sampling import Sampler
from infrastructure.telemetry.tracing import NO_TRACING, Tracing
from tests.support.waiting import eventually

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-2] + "00"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"


class Shelf:
    """A store of spans that raises what it is told to, once for each error."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.spans: list[ReadableSpan] = []
        self.sizes: list[int] = []

    async def add(self, spans: Sequence[ReadableSpan]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.spans += spans
        self.sizes.append(len(spans))

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


class Collector(SpanProcessor):
    """Remembers what it was sent, and whether it was shut down."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.shut_down = False

    def on_end(self, span: ReadableSpan) -> None:
        self.names.append(span.name)

    def shutdown(self) -> None:
        self.shut_down = True


@pytest.fixture
def requests() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """URL of an OTLP collector, and path and body of what it was sent."""
    seen: list[tuple[str, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/", seen
        server.shutdown()
        serving.join(10)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.01)


def recording(store: Shelf | None, export: SpanProcessor | None = None) -> Tracing:
    return Tracing("ketlog-test", "one", Sampler("always_on", 1.0), store, export)


def work(made: Tracing, name: str = "work", **more: str) -> None:
    made.span(name, SAMPLED, None, 1, 2, {}, error=more.get("error"))


def dropped() -> float:
    return float(metrics.SPANS_DROPPED._value.get())


async def test_a_span_says_all_it_was_told() -> None:
    shelf = Shelf()
    made = recording(shelf)
    made.span(
        "work", SAMPLED, PARENT, 10, 20, {"shots": 3}, kind=SpanKind.CLIENT, links=[UNSAMPLED]
    )
    await made._flush()
    (span,) = shelf.spans
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.span_id:016x}" == span_id_of(SAMPLED)
    assert (span.parent.span_id, span.parent.is_remote) == (0x1111111111111111, True)
    assert (span.start_time, span.end_time, span.kind) == (10, 20, SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {"shots": 3}
    assert [link.context.trace_flags for link in span.links] == [0]
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.resource.attributes) == {
        "service.name": "ketlog-test",
        "service.instance.id": "one",
    }


async def test_an_error_is_the_spans_status() -> None:
    shelf = Shelf()
    made = recording(shelf)
    work(made, error="no luck")
    await made._flush()
    status = shelf.spans[0].status
    assert (status.status_code, status.description) == (StatusCode.ERROR, "no luck")


async def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    shelf = Shelf()
    made = recording(shelf)
    made.span("work", SAMPLED, None, 20, 10, {})
    await made._flush()
    assert (shelf.spans[0].start_time, shelf.spans[0].end_time) == (20, 20)


async def test_a_batch_is_a_trace_of_its_own_that_links_to_its_members() -> None:
    shelf = Shelf()
    made = recording(shelf)
    context = made.batch("many", [SAMPLED, PARENT], 1, 2, {})
    await made._flush()
    (span,) = shelf.spans
    assert span.context is not None
    assert span.parent is None
    assert f"{span.context.trace_id:032x}" == trace_id_of(context) != trace_id_of(SAMPLED)
    linked = [f"{link.context.span_id:016x}" for link in span.links]
    assert linked == [span_id_of(SAMPLED), span_id_of(PARENT)]


@pytest.mark.parametrize(("context", "records"), [(SAMPLED, True), (UNSAMPLED, False)])
def test_only_sampled_traces_are_recorded(context: str, records: bool) -> None:
    assert recording(None).records(context) is records


def test_with_tracing_off_nothing_is_recorded() -> None:
    assert not NO_TRACING.on
    assert not NO_TRACING.records(SAMPLED)
    assert recording(None).on


async def test_spans_are_stored_by_and_by() -> None:
    shelf = Shelf()
    made = recording(shelf)
    await made.start()
    work(made)
    await eventually(lambda: shelf.names == ["work"])
    await made.close()


async def test_what_waits_at_the_end_is_stored_in_bounded_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 60.0)
    monkeypatch.setattr(tracing, "SPANS_PER_WRITE", 2)
    shelf = Shelf()
    made = recording(shelf)
    await made.start()
    for name in "abcde":
        work(made, name)
    await made.close()
    assert shelf.names == list("abcde")
    assert shelf.sizes == [2, 2, 1]


async def test_spans_wait_in_order_while_their_store_is_away_and_one_line_says_so() -> None:
    shelf = Shelf(StoreUnavailable("away"), StoreUnavailable("still away"))
    made = recording(shelf)
    with capture_logs() as lines:
        await made.start()
        for name in "abc":
            work(made, name)
        await eventually(lambda: shelf.names == list("abc"))
        await made.close()
    assert [line["event"] for line in lines] == ["Spans wait, their store is away"]
    assert lines[0]["reason"] == "away"


async def test_spans_that_cannot_be_stored_are_counted_and_the_next_are_stored() -> None:
    before = dropped()
    shelf = Shelf(ValueError("impossible"), ValueError("impossible again"))
    made = recording(shelf)
    with capture_logs() as lines:
        await made.start()
        work(made, "lost")
        await eventually(lambda: len(shelf.errors) == 1)
        work(made, "lost too")
        await eventually(lambda: not shelf.errors)
        work(made, "kept")
        await eventually(lambda: shelf.names == ["kept"])
        await made.close()
    assert [line["reason"] for line in lines] == ["ValueError"]
    assert dropped() - before == 2


async def test_closing_does_not_fail_when_the_store_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 60.0)
    before = dropped()
    shelf = Shelf(StoreUnavailable("away"))
    made = recording(shelf)
    await made.start()
    work(made)
    await made.close()
    assert (shelf.errors, shelf.names) == ([], [])
    assert dropped() - before == 1


async def test_closing_does_not_wait_long_for_a_store_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hanging(Shelf):
        async def add(self, spans: Sequence[ReadableSpan]) -> None:
            await asyncio.Event().wait()
            self.spans += spans

    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 60.0)
    monkeypatch.setattr(tracing, "CLOSE_SECONDS", 0.05)
    before = dropped()
    made = recording(Hanging())
    await made.start()
    work(made)
    async with asyncio.timeout(5):
        await made.close()
    assert dropped() - before == 1


async def test_a_write_that_the_end_interrupts_is_made_again() -> None:
    class Slow(Shelf):
        begun = asyncio.Event()

        async def add(self, spans: Sequence[ReadableSpan]) -> None:
            if not self.begun.is_set():
                self.begun.set()
                await asyncio.Event().wait()
            await super().add(spans)

    before = dropped()
    shelf = Slow()
    made = recording(shelf)
    await made.start()
    work(made)
    await shelf.begun.wait()
    await made.close()
    assert shelf.names == ["work"]
    assert dropped() == before


async def test_more_spans_than_can_wait_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "MOST_WAITING", 2)
    before = dropped()
    shelf = Shelf()
    made = recording(shelf)
    for name in "abc":
        work(made, name)
    await made._flush()
    assert shelf.names == ["a", "b"]
    assert dropped() - before == 1


async def test_a_collector_gets_spans_at_once_and_is_shut_down_at_the_end() -> None:
    collector = Collector()
    made = recording(None, collector)
    await made.start()
    work(made)
    assert collector.names == ["work"]
    assert not collector.shut_down
    await made.close()
    assert collector.shut_down


@pytest.mark.parametrize(
    ("disabled", "sampler", "on"),
    [(True, "always_on", False), (False, "always_off", False), (False, "traceidratio", True)],
)
def test_the_settings_turn_tracing_on_and_off(
    disabled: bool, sampler: SamplerName, on: bool
) -> None:
    settings = Settings(otel_sdk_disabled=disabled, otel_traces_sampler=sampler)
    assert make_tracing("ketlog-test", "one", settings, Shelf()).on is on


@pytest.mark.parametrize(("where", "names"), [("database", ["work"]), ("none", [])])
async def test_the_settings_say_whether_spans_are_stored(
    where: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_STORE", where)
    shelf = Shelf()
    made = make_tracing("ketlog-test", "one", Settings(), shelf)
    await made.start()
    work(made)
    await made.close()
    assert shelf.names == names


async def test_a_collector_named_in_the_settings_gets_the_spans(
    requests: tuple[str, list[tuple[str, bytes]]],
) -> None:
    url, seen = requests
    settings = Settings(otel_exporter_otlp_endpoint=url, trace_store="none")
    made = make_tracing("ketlog-test", "one", settings, Shelf())
    await made.start()
    work(made, "a span for the collector")
    await made.close()
    ((path, body),) = seen
    assert path == "/v1/traces"
    assert b"a span for the collector" in body
    assert b"ketlog-test" in body
