"""Connections to RabbitMQ cut after so many bytes, in the middle of whatever they carry."""

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import cut

TOUCHES = ("broker_network",)


async def act(stage: Stage) -> str:
    """Cut every connection of some processes after some bytes, the new ones too."""
    return await cut(stage, "broker")
