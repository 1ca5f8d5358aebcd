"""A worker killed while its claim is on the way: the broker gives its messages to others."""

from tests.faults.chaos.stage import Stage

TOUCHES = ("worker", "database_network")


async def act(stage: Stage) -> str:
    """Hold a claim back on its way to the database and kill the worker that made it."""
    worker = stage.any("worker", proxied=True)
    database = worker.database
    assert database is not None
    database.hold_request_with(b"ProcessingStarted")
    try:
        await stage.held(database.held, f"{worker.name} claims")
        await stage.kill_worker(worker)
    finally:
        database.cut()
        database.behave()
    await stage.start(worker)
    return worker.name
