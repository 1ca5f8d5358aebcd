"""A worker killed when its claim is stored and not acknowledged: the second message is dropped."""

from tests.faults.chaos.stage import Stage

TOUCHES = ("worker", "database_network")


async def act(stage: Stage) -> str:
    """Let a claim through, lose the answer to it, and kill the worker that made it."""
    worker = stage.any("worker", proxied=True)
    database = worker.database
    assert database is not None
    database.lose_answer_to(b"ProcessingStarted")
    try:
        await stage.held(database.swallowed, f"{worker.name} claims")
        await stage.kill_worker(worker)
    finally:
        database.behave()
    await stage.start(worker)
    return worker.name
