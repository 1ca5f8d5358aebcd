"""SIGTERM under load, also while servers are away, and a restart of everything one by one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2

from infrastructure.local.ports import free_ports
from tests.support import invariants
from tests.support.client import ACCEPTED, Client
from tests.support.dispatcher import LONG
from tests.support.processes import Process, System, system
from tests.support.tasks import BELL
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import eventually

GRACE_SECONDS = 3.0
ENDING_SECONDS = 1.5
"""From the end of the grace until the interpreter is gone, on a busy machine."""
SHOTS_OF_SECONDS = 8_000
CLIENTS = 4


class Clients:
    """Submit without a pause to whichever API answers, and remember what they were told.

    Attributes:
        accepted: ids of the tasks.
        surprises: answers that no client should get while processes come and go.
        unanswered: requests whose connection ended without an answer.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._stopping = False
        self.accepted: list[str] = []
        self.surprises: list[str] = []
        self.unanswered = 0

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Submit meanwhile; at the end every submission that was begun is accepted."""
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(url)) for url in self._urls]
            submitting = [asyncio.create_task(self._submit(clients)) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                self._stopping = True
                async with asyncio.timeout(60):
                    await asyncio.gather(*submitting)

    async def more(self, count: int = 10) -> None:
        """Wait until so many more were accepted."""
        enough = len(self.accepted) + count
        await eventually(lambda: len(self.accepted) >= enough, within=30)

    async def _submit(self, clients: Sequence[Client]) -> None:
        apis = cycle(clients)
        while not self._stopping:
            key = {"Idempotency-Key": str(uuid4())}
            while not await self._told(next(apis), key):
                # As `Retry-After` and common sense ask for.
                await asyncio.sleep(0.05)

    async def _told(self, client: Client, key: dict[str, str]) -> bool:
        try:
            answer = await client.post({"circuit": BELL, "shots": 16}, **key)
        except httpx2.ConnectError:
            return False
        except httpx2.TransportError:
            self.unanswered += 1
            return False
        if answer.status_code == ACCEPTED:
            self.accepted.append(answer.json()["task_id"])
            return True
        if answer.status_code != 503 or "retry-after" not in answer.headers:
            self.surprises.append(f"{answer.status_code} {answer.text}")
        return False


async def drained(process: Process) -> None:
    """End a process, which must be gone in time and in good order."""
    began = time.monotonic()
    code = await asyncio.to_thread(process.stop)
    took = time.monotonic() - began
    assert code == 0, process.log()
    assert took < GRACE_SECONDS + ENDING_SECONDS, f"{process.name} took {took:.1f} s"
    assert "Traceback" not in process.log(), process.log()


async def all_is_well(ketlog: System, database_url: str, accepted: Sequence[str]) -> None:
    """Wait until every accepted task has ended, and check the log."""
    async with Client(ketlog.api_url) as client:
        for task in await client.all_ended(accepted):
            assert task["status"] == "completed", task
    owner = await asyncpg.connect(database_url)
    await invariants.check(owner, accepted)
    await owner.close()


def goes_silent(proxy: TcpProxy) -> None:
    """The way to a server swallows everything."""
    proxy.go_silent()


def is_gone(proxy: TcpProxy) -> None:
    """Nobody listens at a server's address."""
    proxy.refusing = True
    proxy.cut()


def is_back(proxy: TcpProxy) -> None:
    """The server is there again."""
    proxy.refusing = False
    proxy.speak_again()


async def test_every_process_leaves_in_time_whatever_is_away(
    database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    async with proxied(database_url) as database, proxied(rabbitmq_url) as broker:
        absences: Sequence[tuple[Callable[[TcpProxy], None], Sequence[TcpProxy]]] = [
            (goes_silent, [broker]),
            (goes_silent, [database]),
            (is_gone, [broker, database]),
        ]
        with system(database.url(database_url), broker.url(rabbitmq_url), tmp_path) as ketlog:
            ketlog.settings |= {"WORKER_SLOTS": "1", "SHUTDOWN_GRACE_SECONDS": str(GRACE_SECONDS)}
            for start in (ketlog.api, ketlog.relay, ketlog.worker):
                start()
            processes = list(ketlog.processes.values())
            clients = Clients([ketlog.api_url])
            async with clients.at_work(), Client(ketlog.api_url) as client:
                for happens, proxies in absences:
                    await asyncio.to_thread(ketlog.wait_ready)
                    task = {"circuit": LONG, "shots": SHOTS_OF_SECONDS}
                    clients.accepted.append(await client.submit(task))
                    await clients.more()
                    for proxy in proxies:
                        happens(proxy)
                    await asyncio.gather(*map(drained, processes))
                    for proxy in proxies:
                        is_back(proxy)
                    for process in processes:
                        process.start()
            assert clients.surprises == []
            await all_is_well(ketlog, database_url, clients.accepted)


async def test_everything_is_restarted_one_by_one_under_load(
    database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    with system(database_url, rabbitmq_url, tmp_path) as ketlog:
        ketlog.settings["WORKER_SLOTS"] = "1"
        other_port = str(free_ports(1)[0])
        ketlog.api("api-1")
        ketlog.api("api-2", PORT=other_port)
        ketlog.relay("relay-1")
        ketlog.relay("relay-2")
        for number in (1, 2, 3):
            ketlog.worker(f"worker-{number}")
        await asyncio.to_thread(ketlog.wait_ready)
        clients = Clients([ketlog.api_url, f"http://127.0.0.1:{other_port}"])
        async with clients.at_work():
            await clients.more()
            for names in (
                ("api-1", "relay-1", "worker-1"),
                ("worker-2", "relay-2", "api-2"),
                ("worker-3",),
            ):
                for name in names:
                    assert await asyncio.to_thread(ketlog.processes[name].stop) == 0
                    ketlog.processes[name].start()
                    await clients.more(5)
                await asyncio.to_thread(ketlog.wait_ready)
        assert clients.surprises == []
        assert clients.unanswered == 0
        await all_is_well(ketlog, database_url, clients.accepted)
