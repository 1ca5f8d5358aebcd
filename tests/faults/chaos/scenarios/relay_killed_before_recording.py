"""The relay killed between the broker's confirm and its record: sent twice, claimed once."""

import asyncio
import time

from tests.faults.chaos import circuits
from tests.faults.chaos.stage import DidNotBite, Stage
from tests.faults.chaos.stillness import still_workers

TOUCHES = ("relay", "worker", "broker_network", "database_network")
CONFIRM = b"\x00\x00\x00\x0d\x00\x3c\x00\x50"
"""Size and method of the frame by which the broker confirms messages (basic.ack)."""


async def act(stage: Stage) -> str:
    """Let the confirm through and hold the record back; kill; let the next leader send again."""
    leader = await stage.leader()
    broker, database = leader.broker, leader.database
    if broker is None or database is None:
        raise DidNotBite("the leader has no proxies")

    def hold_the_record(answer: bytes) -> None:
        if CONFIRM in answer:
            database.hold_requests()

    async with still_workers(stage):
        broker.on_answer = hold_the_record
        submission = asyncio.create_task(stage.load.submit(circuits.long(0.01)))
        try:
            await stage.held(database.held, "the relay records what the broker confirmed")
            await stage.kill(leader)
        finally:
            # Cut first: what is held back would still reach the database otherwise.
            database.cut()
            database.behave()
            broker.behave()
        heir = await stage.takeover(leader, time.monotonic())
        await stage.publishes(heir)
        await submission
    await stage.start(leader)
    return leader.name
