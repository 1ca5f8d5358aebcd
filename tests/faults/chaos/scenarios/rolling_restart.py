"""Every process replaced under load: nobody is told anything but to try again."""

import asyncio

from tests.faults.chaos.stage import Stage

TOUCHES = ("api", "relay", "worker")


async def act(stage: Stage) -> str:
    """Replace the APIs one after the other, and so the relays and the workers at the same time."""
    await asyncio.gather(*(_replace(stage, kind) for kind in TOUCHES))
    return "everything"


async def _replace(stage: Stage, kind: str) -> None:
    """SIGTERM each process, wait for its orderly end, start it, go on with the next."""
    for member in stage.topology.of_kind(kind):
        await stage.terminate(member)
        await stage.start(member)
