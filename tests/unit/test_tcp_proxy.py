"""The proxy that disturbs connections in the tests of faults."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.support.tcp_proxy import TcpProxy

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def heard() -> list[bytes]:
    """What the server has been sent."""
    return []


@pytest.fixture
async def proxy(heard: list[bytes]) -> AsyncIterator[TcpProxy]:
    """A proxy before a server that answers each line with itself."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                heard.append(line)
                writer.write(line)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    await proxy.start()
    yield proxy
    await proxy.close()
    server.close()


async def connect(proxy: TcpProxy) -> Connection:
    url = proxy.url("echo://somewhere:1")
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


async def say(connection: Connection, line: bytes) -> bytes:
    """Send a line; returns the answer, empty when the connection was cut instead."""
    reader, writer = connection
    writer.write(line)
    try:
        async with asyncio.timeout(5):
            return await reader.readline()
    except ConnectionError:
        return b""


async def test_an_answer_is_lost_after_its_request_has_arrived(
    proxy: TcpProxy, heard: list[bytes]
) -> None:
    connection, other = await connect(proxy), await connect(proxy)
    proxy.lose_answer_to(b"commit")
    assert await say(connection, b"begin\n") == b"begin\n"
    assert await say(connection, b"commit\n") == b""
    assert heard == [b"begin\n", b"commit\n"]
    assert proxy.swallowed.is_set()
    assert await say(other, b"commit\n") == b"commit\n"


async def test_a_request_is_held_back_and_goes_on(proxy: TcpProxy, heard: list[bytes]) -> None:
    connection = await connect(proxy)
    proxy.hold_request_with(b"claim")
    assert await say(connection, b"begin\n") == b"begin\n"
    answer = asyncio.create_task(say(connection, b"claim\n"))
    await asyncio.wait_for(proxy.held.wait(), 5)
    assert heard == [b"begin\n"]
    proxy.behave()
    assert await answer == b"claim\n"


async def test_connections_are_cut_after_so_many_bytes(proxy: TcpProxy) -> None:
    connection = await connect(proxy)
    proxy.cut_after(20)
    assert await say(connection, b"12345678\n") == b"12345678\n"
    assert await say(connection, b"12345678\n") == b""
    assert proxy.cuts == 1
    assert await say(await connect(proxy), b"again\n") == b"again\n"
