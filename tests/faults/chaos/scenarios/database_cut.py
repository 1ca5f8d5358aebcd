"""Connections to PostgreSQL cut after so many bytes, in the middle of whatever they carry."""

import asyncio

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import ways

TOUCHES = ("database_network",)
SECONDS = 2.0


async def act(stage: Stage) -> str:
    """Cut every connection of some processes after some bytes, the new ones too."""
    whom, proxies = ways(stage, "database")
    before = sum(proxy.cuts for proxy in proxies)
    count = stage.chance.randrange(100, 2_000)

    async def cut() -> bool:
        return sum(proxy.cuts for proxy in proxies) > before

    for proxy in proxies:
        proxy.cut_after(count)
    try:
        await stage.until(cut, f"a connection of {whom} carries {count} bytes")
        await asyncio.sleep(SECONDS)
    finally:
        for proxy in proxies:
            proxy.behave()
    return f"{whom} after {count} bytes"
