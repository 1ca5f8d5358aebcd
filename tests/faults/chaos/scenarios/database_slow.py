"""A long way to PostgreSQL: all goes on, only slower."""

import asyncio

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import ways

TOUCHES = ("database_network",)
SECONDS = 3.0


async def act(stage: Stage) -> str:
    """Delay each piece of data between some processes and the server."""
    whom, proxies = ways(stage, "database")
    delay = stage.chance.uniform(0.05, 0.3)
    for proxy in proxies:
        proxy.delay_seconds = delay
    await asyncio.sleep(SECONDS)
    for proxy in proxies:
        proxy.behave()
    return f"{whom} by {1000 * delay:.0f} ms"
