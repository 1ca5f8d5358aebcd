"""A long way to PostgreSQL: all goes on, only slower."""

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import slow

TOUCHES = ("database_network",)


async def act(stage: Stage) -> str:
    """Delay each piece of data between some processes and the server."""
    return await slow(stage, "database")
