"""Connections to PostgreSQL cut after so many bytes, in the middle of whatever they carry."""

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import cut

TOUCHES = ("database_network",)


async def act(stage: Stage) -> str:
    """Cut every connection of some processes after some bytes, the new ones too."""
    return await cut(stage, "database")
