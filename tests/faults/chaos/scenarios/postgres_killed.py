"""PostgreSQL killed: submissions wait or are refused, runs go on, and no lease expires for it."""

import asyncio

from tests.faults.chaos.stage import Stage

TOUCHES = ("postgres",)


async def act(stage: Stage) -> str:
    """SIGKILL the postmaster and all of its children, and start it again from its log."""
    server = stage.topology.postgres
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(stage.chance.uniform(0.0, 2.0))
    await asyncio.to_thread(server.start)
    return "postgres"
