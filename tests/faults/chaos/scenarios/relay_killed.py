"""The leading relay killed: another one takes over within seconds, and no message is missing."""

import time

from tests.faults.chaos.stage import Stage

TOUCHES = ("relay",)


async def act(stage: Stage) -> str:
    """SIGKILL the leader, wait for the next one, start the old one again."""
    leader = await stage.leader()
    await stage.kill(leader)
    heir = await stage.takeover(leader, time.monotonic())
    await stage.start(leader)
    return f"{leader.name}, then {heir.name}"
