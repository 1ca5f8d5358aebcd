"""Loops that go on whatever happens in one turn of them, and their end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from infrastructure.backoff import Backoff

log = structlog.get_logger()


async def supervised(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop, and begin it anew after an unexpected error; ends when the loop returns.

    Args:
        name: for the log.
    """
    backoff = Backoff(first=0.2, longest=5.0)
    while True:
        try:
            await loop()
        except Exception:
            log.exception("A loop failed and begins anew", loop=name)
        else:
            return
        await asyncio.sleep(backoff.next())


async def end(task: "asyncio.Task[None] | None") -> None:
    """Cancel a task, if there is one, and wait until it has ended."""
    if task is None:
        return
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
