"""The queue deleted: it is declared anew and its tasks are sent again at once."""

import asyncio

from tests.faults.chaos.stage import DidNotBite, Stage

TOUCHES = ("rabbitmq",)
LOSES_MESSAGES = True


async def act(stage: Stage) -> str:
    """Delete the task queue, whatever is in it."""
    server = stage.topology.rabbitmq
    status, _ = await asyncio.to_thread(server.manage, "DELETE", "/api/queues/%2F/quantum_tasks")
    if status != 204:
        raise DidNotBite(f"the broker answered {status}")
    return "quantum_tasks"
