"""Several API processes on one port: replaced one by one, killed, and ended together."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from infrastructure.local.ports import free_ports
from infrastructure.local.process import descendants
from service.api.listening import close_all, listen_several
from tests.support.client import Client
from tests.support.processes import System, system
from tests.support.tasks import QUICKSTART
from tests.support.waiting import eventually

NO_BROKER = "amqp://guest:guest@127.0.0.1:9/"
LANES = 4


@pytest.fixture
def ketlog(database_url: str, tmp_path: Path) -> Iterator[System]:
    """Two API processes that are ready, on one port."""
    with system(database_url, NO_BROKER, tmp_path) as made:
        first = consecutive_ports()
        made.settings = {"API_PROCESSES": "2", "API_METRICS_PORT": str(first)}
        made.api()
        made.wait_ready()
        yield made


def consecutive_ports() -> int:
    """The first of two free ports, one after the other."""
    while True:
        (port,) = free_ports(1)
        try:
            socket.create_server(("127.0.0.1", port + 1)).close()
        except OSError:
            continue
        return port


def members(ketlog: System) -> set[int]:
    """The process ids of the children."""
    return set(descendants(ketlog.processes["api"].pid))


async def both_serve(ketlog: System, without: set[int]) -> None:
    """Wait until two processes serve that are not among these."""
    first = int(ketlog.settings["API_METRICS_PORT"])

    async def serve() -> bool:
        found = members(ketlog)
        return (
            len(found) == 2
            and not found & without
            and all([await is_open(first), await is_open(first + 1)])
        )

    await eventually(serve, within=30)


async def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_while_all_are_replaced_nobody_is_turned_away(
    ketlog: System, database_url: str
) -> None:
    await both_serve(ketlog, set())
    before = members(ketlog)
    replaced = asyncio.Event()

    async def submit(client: Client, **headers: str) -> int:
        accepted = 0
        while not replaced.is_set():
            answer = await client.post({"circuit": QUICKSTART}, **headers)
            assert answer.status_code == 202, answer.text
            accepted += 1
        return accepted

    async def replace() -> None:
        os.kill(ketlog.processes["api"].pid, signal.SIGHUP)
        await eventually(
            lambda: "API processes were replaced" in ketlog.processes["api"].log(), within=30
        )
        replaced.set()

    async with Client(ketlog.api_url) as kept, Client(ketlog.api_url) as fresh:
        *accepted, _ = await asyncio.gather(
            *(submit(kept) for _ in range(LANES)),
            *(submit(fresh, Connection="close") for _ in range(LANES)),
            replace(),
        )
    assert len(members(ketlog) - before) == 2
    assert ketlog.processes["api"].stop() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ketlog.api_port), timeout=1)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM tasks").fetchone()
    assert row == (sum(filter(None, accepted)),)
    assert not re.search(r"Traceback|ERROR", ketlog.processes["api"].log())


async def test_one_that_is_killed_is_replaced_and_none_outlives_the_one_that_started_them(
    ketlog: System,
) -> None:
    await both_serve(ketlog, set())
    first = int(ketlog.settings["API_METRICS_PORT"])
    async with httpx2.AsyncClient() as client:
        for port in (first, first + 1):
            shown = await client.get(f"http://127.0.0.1:{port}/metrics")
            assert "ketlog_http_connections" in shown.text
    victim, other = sorted(members(ketlog))
    os.kill(victim, signal.SIGKILL)
    async with Client(ketlog.api_url) as client_of_both:
        # Connections to the socket of the killed one wait for the next.
        answers = await asyncio.gather(
            *(client_of_both.post({"circuit": QUICKSTART}) for _ in range(16))
        )
    assert {answer.status_code for answer in answers} == {202}
    await both_serve(ketlog, {victim})
    assert other in members(ketlog)

    orphans = members(ketlog)
    ketlog.processes["api"].kill()
    await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans), within=10)


def test_a_port_that_somebody_has_is_refused_even_if_it_could_be_shared() -> None:
    with (
        socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken,
        pytest.raises(SystemExit, match="set PORT"),
    ):
        listen_several("127.0.0.1", taken.getsockname()[1], 2)
    sockets = listen_several("127.0.0.1", free_ports(1)[0], 3)
    assert len({one.getsockname() for one in sockets}) == 1
    close_all(sockets)
