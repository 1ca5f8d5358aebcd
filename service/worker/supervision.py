"""Loops that go on whatever happens in one turn of them."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from infrastructure.backoff import Backoff

log = structlog.get_logger()


async def supervised(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop that should never end, and begin it anew after an unexpected error.

    Args:
        name: for the log.
    """
    backoff = Backoff(first=0.2, longest=5.0)
    while True:
        try:
            await loop()
        except Exception:
            log.exception("A loop failed and begins anew", loop=name)
        await asyncio.sleep(backoff.next())
