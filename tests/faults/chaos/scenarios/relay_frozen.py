"""The leading relay frozen: its lock is taken from it, and awake again it does no harm."""

import asyncio
import time

from tests.faults.chaos.stage import Stage

TOUCHES = ("relay",)


async def act(stage: Stage) -> str:
    """SIGSTOP the leader until another one leads, then SIGCONT."""
    leader = await stage.leader()
    await asyncio.to_thread(leader.process.pause)
    try:
        heir = await stage.takeover(leader, time.monotonic())
    finally:
        await asyncio.to_thread(leader.process.resume)
    return f"{leader.name}, then {heir.name}"
