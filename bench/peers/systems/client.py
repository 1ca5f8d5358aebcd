"""The client of a compared system: `python -m bench.peers.systems.client NAME`, in `.venv-peers`.

Reads an order as JSON from standard input and writes what came of it to standard output, like
`bench.load` and `bench.latency_probe` do for ketlog.

    {"do": "install"}
    {"do": "submit", "first": 0, "count": 1000, "lanes": 32}
    {"do": "latency", "first": 1000, "count": 100, "per_second": 10.0}
"""

import asyncio
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any, cast

import asyncpg
import uvloop

from bench.load import SHOTS
from bench.peers.catalogue import PEERS, SYSTEMS, Peer
from bench.peers.systems.system import System

POLL_SECONDS = 0.001
GIVE_UP_SECONDS = 30.0
WATCHES = 8


async def _obey(peer: Peer, system: System, order: dict[str, Any]) -> object:
    first, count = order.get("first", 0), order.get("count", 0)
    if order["do"] == "install":
        system.install()
        async with system.opened():
            return None
    async with system.opened():
        if order["do"] == "submit":
            numbers = range(first, first + count)
            return asdict(await system.submit_many(numbers, order["lanes"]))
        return await _latencies(peer, system, first, count, order["per_second"])


async def _latencies(
    peer: Peer, system: System, first: int, count: int, per_second: float
) -> list[float]:
    """Return milliseconds from the moment each task was due until its result can be read.

    It is looked for every millisecond in PostgreSQL, over a connection of its own.
    """
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=WATCHES, max_size=WATCHES
    ) as pool:
        begin = time.perf_counter() + 0.2
        watches = []
        for number in range(count):
            due = begin + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            watches.append(asyncio.create_task(_watch(peer, system, pool, first + number, due)))
        return await asyncio.wait_for(asyncio.gather(*watches), GIVE_UP_SECONDS)


async def _watch(
    peer: Peer, system: System, pool: "asyncpg.Pool[asyncpg.Record]", number: int, due: float
) -> float:
    await system.submit(number)
    async with pool.acquire() as connection:
        look = await connection.prepare(peer.result)
        while True:
            result = await look.fetchval(str(number) if peer.keyed_by_text else number)
            seen = time.perf_counter()
            if result is not None:
                break
            await asyncio.sleep(POLL_SECONDS)
    assert sum(peer.read(result).values()) == SHOTS, result
    return 1000 * (seen - due)


def main(name: str) -> None:
    """Do what standard input says."""
    peer = PEERS[name]
    module, _, attribute = peer.system.partition(":")
    system = cast("System", getattr(importlib.import_module(f"{SYSTEMS}.{module}"), attribute)())
    print(json.dumps(uvloop.run(_obey(peer, system, json.load(sys.stdin)))))


if __name__ == "__main__":
    main(sys.argv[1])
