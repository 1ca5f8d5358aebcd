"""Metrics as Prometheus reads them: readings, the text format, and the small server."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from infrastructure.local.ports import free_port
from infrastructure.telemetry import exposition
from infrastructure.telemetry.exposition import MetricsServer
from infrastructure.telemetry.metrics import Reading, Readings, Value, register


@pytest.fixture
async def port() -> AsyncIterator[int]:
    port = free_port()
    server = MetricsServer("127.0.0.1", port)
    await server.start()
    yield port
    await server.close()


async def answer(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of what the server says before it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()
    head, _, body = said.partition(b"\r\n\r\n")
    return head, body


def samples(reading: Reading) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in Readings([reading]).collect()
        for sample in family.samples
    }


def test_a_gauge_shows_its_present_value() -> None:
    values = iter([1.0, 2.0])
    reading = Reading("gauge", "a_gauge", "A gauge.", lambda: next(values))
    assert samples(reading) == {("a_gauge", ()): 1.0}
    assert samples(reading) == {("a_gauge", ()): 2.0}


def test_a_counter_gets_the_ending_of_counters() -> None:
    assert samples(Reading("counter", "a_counter", "A counter.", lambda: 3)) == {
        ("a_counter_total", ()): 3.0
    }


def test_a_reading_with_a_label_has_one_value_for_each() -> None:
    reading = Reading("gauge", "a_gauge", "A gauge.", lambda: {"x": 1, "y": 2}, "which")
    assert samples(reading) == {("a_gauge", ("x",)): 1.0, ("a_gauge", ("y",)): 2.0}


def test_what_is_not_known_is_not_shown() -> None:
    assert samples(Reading("gauge", "a_gauge", "A gauge.", lambda: None)) == {}


def test_registered_readings_are_shown_with_everything_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registered: list[Readings] = []
    monkeypatch.setattr(REGISTRY, "register", registered.append)

    def read() -> Value:
        return 7

    register(Reading("gauge", "a_gauge_of_a_test", "A gauge.", read))
    (readings,) = registered
    assert [family.name for family in readings.collect()] == ["a_gauge_of_a_test"]


async def test_the_server_shows_all_metrics(port: int) -> None:
    head, body = await answer(port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: here\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"# TYPE ketlog_relay_leading gauge" in body


async def test_a_head_request_gets_the_length_alone(port: int) -> None:
    head, body = await answer(port, b"HEAD /metrics HTTP/1.1\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Length: 0" not in head
    assert body == b""


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1", b"404 Not Found"),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed"),
        (b"nonsense", b"404 Not Found"),
    ],
)
async def test_other_requests_are_told_what_to_ask(
    port: int, request_line: bytes, status: bytes
) -> None:
    head, body = await answer(port, request_line + b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"/metrics" in body


async def test_a_client_that_says_nothing_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(exposition, "REQUEST_SECONDS", 0.05)
    assert await answer(port, b"GET /metrics HTTP/1.1\r\n") == (b"", b"")


async def test_after_closing_nobody_listens() -> None:
    port = free_port()
    server = MetricsServer("127.0.0.1", port)
    await server.start()
    await server.close()
    await server.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_without_a_port_there_is_no_server() -> None:
    server = MetricsServer("no such host", 0)
    await server.start()
    assert server._server is None
    await server.close()


async def test_a_port_that_is_taken_costs_the_metrics_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as lines:
        server = MetricsServer("127.0.0.1", taken.getsockname()[1])
        await server.start()
        await server.close()
    (line,) = lines
    assert "set METRICS_PORT to another" in line["event"]
    assert line["port"] > 0
