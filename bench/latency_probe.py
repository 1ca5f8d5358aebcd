"""Sends tasks at a steady pace and watches each until its completion can be seen over HTTP.

A task's time counts from the moment at which it was due, so that a slow answer does not hide the
slowness of those behind it. A client asks as the documentation advises: POST, then one GET that
waits for the end.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import uvloop

from bench.check import check_bell
from bench.load import SHOTS, bell_body, get, post
from infrastructure.local.ports import LOOPBACK

WAIT_SECONDS = 20
GIVE_UP_SECONDS = 30.0

Exchange = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def latencies(port: int, count: int, per_second: float, first: int = 0) -> list[float]:
    """Return milliseconds from POST to visible completion of each task, in order."""
    return uvloop.run(_latencies(port, count, per_second, first))


async def _latencies(port: int, count: int, per_second: float, first: int) -> list[float]:
    idle: list[Exchange] = [
        await asyncio.open_connection(LOOPBACK, port) for _ in range(max(4, int(per_second / 2)))
    ]
    begin = time.perf_counter() + 0.2
    watches = []
    for number in range(count):
        due = begin + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        exchange = _open_one(idle) or await asyncio.open_connection(LOOPBACK, port)
        watches.append(asyncio.create_task(_watch(exchange, idle.append, first + number, due)))
    done = await asyncio.wait_for(asyncio.gather(*watches), GIVE_UP_SECONDS)
    for _, writer in idle:
        writer.close()
    return done


def _open_one(idle: list[Exchange]) -> Exchange | None:
    """Take a connection that the server has not closed: it lets none wait for long."""
    while idle:
        reader, writer = exchange = idle.pop()
        if not reader.at_eof():
            return exchange
        writer.close()
    return None


async def _watch(
    exchange: Exchange, give_back: Callable[[Exchange], None], number: int, due: float
) -> float:
    accepted = json.loads(await _ask(exchange, post(bell_body(number)), b"202"))
    look = get(f"{accepted['task_id']}?wait={WAIT_SECONDS}")
    task = json.loads(await _ask(exchange, look, b"200"))
    seen = time.perf_counter()
    assert task["status"] == "completed", task
    check_bell(task["result"], SHOTS)
    give_back(exchange)
    return 1000 * (seen - due)


async def _ask(exchange: Exchange, request: bytes, status: bytes) -> bytes:
    reader, writer = exchange
    writer.write(request)
    head = await _within(reader.readuntil(b"\r\n\r\n"))
    assert head.startswith(b"HTTP/1.1 " + status), head
    at = head.lower().index(b"content-length:") + len(b"content-length:")
    return await _within(reader.readexactly(int(head[at : head.index(b"\r", at)])))


async def _within(reading: Awaitable[bytes]) -> bytes:
    return await asyncio.wait_for(reading, GIVE_UP_SECONDS)
