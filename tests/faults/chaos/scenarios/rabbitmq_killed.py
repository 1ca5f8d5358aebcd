"""RabbitMQ killed: submissions are accepted meanwhile, and no attempt is lost for it."""

import asyncio

from tests.faults.chaos.stage import Stage

TOUCHES = ("rabbitmq",)
LOSES_MESSAGES = True


async def act(stage: Stage) -> str:
    """SIGKILL the broker and start it again with what it had on disk."""
    server = stage.topology.rabbitmq
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    return "rabbitmq"
