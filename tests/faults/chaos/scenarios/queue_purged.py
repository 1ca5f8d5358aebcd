"""The queue purged: tasks without a message are noticed and sent again."""

import asyncio

from tests.faults.chaos.stage import DidNotBite, Stage
from tests.faults.chaos.stillness import still_workers

TOUCHES = ("rabbitmq", "worker")
LOSES_MESSAGES = True


async def act(stage: Stage) -> str:
    """Purge the queue while messages wait in it."""
    server = stage.topology.rabbitmq
    async with still_workers(stage):
        await stage.messages_wait()
        status, _ = await asyncio.to_thread(
            server.manage, "DELETE", "/api/queues/%2F/quantum_tasks/contents"
        )
    if status != 204:
        raise DidNotBite(f"the broker answered {status}")
    return "quantum_tasks"
