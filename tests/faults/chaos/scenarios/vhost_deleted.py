"""The vhost deleted and made anew: everything in it is declared again and sent again."""

import asyncio

from tests.faults.chaos.stage import DidNotBite, Stage

TOUCHES = ("rabbitmq",)
LOSES_MESSAGES = True
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


async def act(stage: Stage) -> str:
    """Delete the vhost, and make an empty one with the same rights a moment later."""
    server = stage.topology.rabbitmq
    await _manage(stage, "DELETE", "/api/vhosts/%2F")
    await asyncio.sleep(stage.chance.uniform(0.0, 1.0))
    await _manage(stage, "PUT", "/api/vhosts/%2F")
    await _manage(stage, "PUT", f"/api/permissions/%2F/{server.user}", EVERYTHING)
    return "/"


async def _manage(stage: Stage, method: str, path: str, body: object = None) -> None:
    status, answer = await asyncio.to_thread(stage.topology.rabbitmq.manage, method, path, body)
    if status not in {201, 204}:
        raise DidNotBite(f"the broker answered {status} {answer.decode()}")
