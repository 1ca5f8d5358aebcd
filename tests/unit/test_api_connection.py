"""Connections within bounds: heads, time, number, and what is sent ahead."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send

from infrastructure.settings import ApiSettings
from service.api import connection, connections
from service.api.__main__ import Server, places_for_connections
from service.api.health import Health
from service.api.models import ProblemDocument
from service.api.server_config import server_config
from tests.support import listening as listening_module
from tests.support.api import FakeProbe, in_process_api
from tests.support.listening import Listening, listening
from tests.support.tasks import QUICKSTART
from tests.support.waiting import eventually

LOOK = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
CHUNKED = (
    b"POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


@pytest.fixture
async def served() -> AsyncIterator[Listening]:
    """An API on a port, with ten places."""
    async with in_process_api() as api, listening(api.app, most=10) as made:
        yield made


def post(body: object) -> bytes:
    """A submission, the last on its connection."""
    text = json.dumps(body).encode()
    return (
        b"POST /tasks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)
    )


def refusal(answer: bytes, status: int) -> dict[str, Any]:
    """The problem document that must be the last answer of a connection."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert lines[b"content-type"] == b"application/problem+json"
    assert lines[b"connection"] == b"close"
    assert int(lines[b"content-length"]) == len(body)
    document = json.loads(body)
    ProblemDocument.model_validate(document)
    assert document["status"] == status
    assert document["correlation_id"].encode() == lines[b"x-correlation-id"]
    return dict(document)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 400_000,
        b"GET /livez HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 101 + b"\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"x:\r\n" * 50_000,
    ],
    ids=["path", "header", "endless header", "headers", "endless headers"],
)
async def test_a_head_that_is_too_large_is_refused(served: Listening, head: bytes) -> None:
    assert "32768 bytes" in refusal(await served.exchange(head), 431)["detail"]
    assert b"200 OK" in await served.exchange(LAST)


async def test_a_head_of_the_full_size_is_served(served: Listening) -> None:
    head = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: %s\r\n\r\n"
    assert b"200 OK" in await served.exchange(head % (b"x" * 32_000))
    slowly, writer = await served.connect()
    for byte in LAST:
        writer.write(bytes([byte]))
        await writer.drain()
    assert b"200 OK" in await asyncio.wait_for(slowly.read(), 5)


async def test_what_is_no_http_is_answered_as_a_problem(served: Listening) -> None:
    refusal(await served.exchange(b"\x16\x03\x01 this is no HTTP\r\n\r\n"), 400)
    refusal(await served.exchange(CHUNKED + b"no size\r\n"), 400)


async def test_trailers_are_bounded_and_change_nothing(served: Listening) -> None:
    body = json.dumps({"circuit": QUICKSTART}).encode()
    last = CHUNKED.replace(b"host: x", b"host: x\r\nconnection: close")
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    answer = await served.exchange(last + chunks + b"idempotency-key: k\r\n" * 2000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 202 ")
    reader, writer = await served.connect()
    writer.write(CHUNKED + chunks)
    for _ in range(10):
        writer.write(b"x: " + b"y" * 8000 + b"\r\n")
        await asyncio.sleep(0)
    refusal(await asyncio.wait_for(reader.read(), 5), 431)


async def test_a_client_that_sends_a_byte_at_a_time_is_served_no_longer_than_ten_seconds(
    served: Listening,
) -> None:
    silent, _ = await served.connect()
    slow, writer = await served.connect()
    writer.write(LOOK[:10])
    finished, done = await served.connect()
    done.write(LOOK)
    assert b"200 OK" in await finished.readuntil(b"\r\n\r\n")
    await finished.readexactly(len(b'{"status":"alive"}'))
    done.write(LOOK[:10])
    assert b"200 OK" in await served.exchange(LAST)
    served.sweep_in(9)
    writer.write(LOOK[10:11])
    done.write(LOOK[10:11])
    assert b"200 OK" in await served.exchange(LAST)
    served.sweep_in(11)
    assert await asyncio.wait_for(silent.read(), 5) == b""
    for reader in (slow, finished):
        refusal(await asyncio.wait_for(reader.read(), 5), 408)


async def test_an_idle_connection_is_kept_for_half_a_minute(served: Listening) -> None:
    reader, writer = await served.connect()
    for _ in range(2):
        writer.write(LOOK)
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(b'{"status":"alive"}'))
        served.sweep_in(29)
    served.sweep_in(31)
    assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_body_that_nobody_wants_cannot_be_sent_for_ever(served: Listening) -> None:
    reader, writer = await served.connect()
    writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\nx")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(b'{"status":"alive"}'))
    writer.write(b"y")
    assert b"200 OK" in await served.exchange(LAST)
    served.sweep_in(9)
    assert served.connections.served == 1
    served.sweep_in(11)
    assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_one_connection_too_many_is_told_to_come_back(served: Listening) -> None:
    kept = [await served.connect() for _ in range(10)]
    await eventually_served(served, 10)
    answer = await served.exchange(post({"circuit": QUICKSTART}))
    assert b"\r\nretry-after: 1\r\n" in answer
    refusal(answer, 503)
    kept[0][1].close()
    await eventually_served(served, 9)
    assert b"202 Accepted" in await served.exchange(post({"circuit": QUICKSTART}))


async def test_idle_and_slow_connections_make_room_where_there_is_none(served: Listening) -> None:
    for _ in range(5):
        reader, writer = await served.connect()
        writer.write(LOOK)
        await reader.readuntil(b"\r\n\r\n")
        await served.connect()
    await eventually_served(served, 10)
    served.sweep_in(2)
    assert served.connections.served == 10
    refusal(await served.exchange(LAST), 503)
    served.sweep_in(2)
    await eventually_served(served, 0)
    assert b"200 OK" in await served.exchange(LAST)


async def test_one_too_many_that_says_nothing_is_soon_gone(
    served: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_LEAVING", 1)
    for _ in range(10):
        await served.connect()
    await eventually_served(served, 10)
    silent, _ = await served.connect()
    at_once, _ = await served.connect()
    assert await asyncio.wait_for(at_once.read(), 5) == b""
    served.sweep_in(1.5)
    assert await asyncio.wait_for(silent.read(), 5) == b""


async def test_who_was_refused_is_not_listened_to_for_ever(served: Listening) -> None:
    reader, writer = await served.connect()
    writer.write(b"no HTTP\r\n\r\n")
    assert b"400 " in await reader.readuntil(b"\r\n")
    with pytest.raises(ConnectionError):
        await pour(writer)


async def test_as_many_requests_ahead_as_may_be_are_answered_and_no_more() -> None:
    begun, go_on = 0, asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal begun
        begun += 1
        await go_on.wait()
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with listening(app) as served:
        reader, writer = await served.connect()
        writer.write(LOOK * 10_000)
        await eventually(lambda: begun == 1, within=5)
        go_on.set()
        answers = await asyncio.wait_for(reader.read(), 5)
        assert answers.count(b"HTTP/1.1 204 ") == 1 + connection.MAX_AHEAD
        assert answers.count(b"connection: close") == 1
        assert begun == 1 + connection.MAX_AHEAD


async def test_clients_that_take_no_answers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b"x" * 16_000_000
    monkeypatch.setattr(connections, "MOST_UNSENT_BYTES", 40_000_000)

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    cut: list[object] = []

    class Watched(connection.BoundedProtocol):
        def cut(self) -> None:
            cut.append(self)
            super().cut()

    monkeypatch.setattr(listening_module, "BoundedProtocol", Watched)
    async with listening(app) as served:
        takers = []
        for _ in range(4):
            _, writer = await served.connect()
            cast("asyncio.Transport", writer.transport).pause_reading()
            writer.write(LOOK)
            takers.append(writer)
            await eventually(lambda: len(served.connections.unsent) + len(cut) == len(takers))
        # The fourth answer is too much, and the first client has been slow for longest.
        assert len(cut) == 1
        served.sweep_in(19)
        assert len(cut) == 1
        served.sweep_in(40)
        assert len(cut) == 4
        await eventually_served(served, 0)


async def pour(writer: asyncio.StreamWriter) -> None:
    """Send for ever."""
    while True:
        writer.write(b"x" * 100_000)
        await writer.drain()


async def test_the_server_looks_after_its_connections() -> None:
    swept = asyncio.Event()

    class Watched(connections.Connections):
        def sweep(self, now: float) -> None:
            super().sweep(now)
            swept.set()

    config = server_config(nothing, ApiSettings(), connection.BoundedProtocol, Watched(1))
    server = Server(config, Health(FakeProbe(), FakeProbe()), 1.0)
    assert not await server.on_tick(1)
    assert not swept.is_set()
    assert not await server.on_tick(10)
    assert swept.is_set()


async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An application that is never asked."""


def test_there_are_as_many_places_as_the_process_may_open_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = [1024, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: tuple(limits))
    monkeypatch.setattr(
        resource, "setrlimit", lambda _which, given: limits.__setitem__(0, given[0])
    )
    assert places_for_connections(500) == 500
    assert limits[0] == 1024
    assert places_for_connections(2048) == 2048
    assert 2048 < limits[0] <= 4096
    assert 1 < places_for_connections(5000) < 4096
    assert limits[0] == 4096


async def eventually_served(served: Listening, number: int) -> None:
    """Wait until there are so many connections."""
    await eventually(lambda: served.connections.served == number, within=5)
