"""PostgreSQL not to be heard, with every connection open: everything is bounded in time."""

import asyncio

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import ways

TOUCHES = ("database_network",)
LOSES_MESSAGES = True


async def act(stage: Stage) -> str:
    """Hold back everything between some processes and the server, for some seconds."""
    whom, proxies = ways(stage, "database")
    seconds = stage.chance.uniform(2.0, 5.0)
    for proxy in proxies:
        proxy.go_silent()
    await asyncio.sleep(seconds)
    for proxy in proxies:
        proxy.behave()
    return f"{whom} for {seconds:.1f} s"
