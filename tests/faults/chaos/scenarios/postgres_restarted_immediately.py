"""PostgreSQL shut down with `immediate`: every session ends in the middle of what it does."""

import asyncio
import os
import signal

from tests.faults.chaos.stage import Stage

TOUCHES = ("postgres",)


async def act(stage: Stage) -> str:
    """SIGQUIT the postmaster, and start it again from its log."""
    server = stage.topology.postgres
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)

    async def ended() -> bool:
        return not server.running

    await stage.until(ended, "PostgreSQL has ended")
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    return "postgres"
