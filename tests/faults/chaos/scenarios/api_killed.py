"""An API killed in mid-request: retries with the same key find what was stored, once."""

from tests.faults.chaos.stage import Stage

TOUCHES = ("api",)


async def act(stage: Stage) -> str:
    """SIGKILL an API and start it again."""
    api = stage.any("api")
    await stage.kill(api)
    await stage.start(api)
    return api.name
