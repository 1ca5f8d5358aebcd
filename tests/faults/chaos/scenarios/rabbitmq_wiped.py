"""The broker comes back with an empty disk: the queue is made anew and every task sent again."""

import asyncio
import shutil

from tests.faults.chaos.stage import Stage

TOUCHES = ("rabbitmq",)
LOSES_MESSAGES = True


async def act(stage: Stage) -> str:
    """Stop the broker, remove its data, start it."""
    server = stage.topology.rabbitmq
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(shutil.rmtree, server.home / "mnesia")
    await asyncio.to_thread(server.start)
    return "rabbitmq"
