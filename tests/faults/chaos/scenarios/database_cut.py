"""Connections to PostgreSQL cut after so many bytes, in the middle of whatever they carry."""

import asyncio

from tests.faults.chaos.stage import DidNotBite, Stage
from tests.faults.chaos.ways import ways

TOUCHES = ("database_network",)
SECONDS = 2.5


async def act(stage: Stage) -> str:
    """Cut every connection of some processes after some bytes, the new ones too."""
    whom, proxies = ways(stage, "database")
    before = sum(proxy.cuts for proxy in proxies)
    count = stage.chance.randrange(500, 8_000)
    for proxy in proxies:
        proxy.cut_after(count)
    await asyncio.sleep(SECONDS)
    for proxy in proxies:
        proxy.behave()
    if sum(proxy.cuts for proxy in proxies) == before:
        raise DidNotBite(f"no connection carried {count} bytes")
    return f"{whom} after {count} bytes"
