"""PostgreSQL not to be heard, with every connection open: everything is bounded in time."""

from tests.faults.chaos.stage import Stage
from tests.faults.chaos.ways import silence

TOUCHES = ("database_network",)
LOSES_MESSAGES = True


async def act(stage: Stage) -> str:
    """Hold back everything between some processes and the server, for some seconds."""
    return await silence(stage, "database")
