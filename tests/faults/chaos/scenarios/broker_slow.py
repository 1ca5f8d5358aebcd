"""A long way to RabbitMQ: all goes on, only slower."""

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import slow

TOUCHES = ("broker_network",)


async def act(stage: Stage) -> str:
    """Delay each piece of data between some processes and the server."""
    return await slow(stage, "broker")
