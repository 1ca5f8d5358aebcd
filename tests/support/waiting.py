"""Waiting for a condition with a time limit, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.02


async def eventually(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]],
    within: float = 10.0,
    what: str = "",
) -> None:
    """Return as soon as the condition holds; fail when it does not within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        holds = condition()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or inspect.getsource(condition)}")
        await asyncio.sleep(POLL_SECONDS)


def eventually_sync(condition: Callable[[], bool], within: float = 10.0, what: str = "") -> None:
    """As `eventually`, for code without an event loop."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or inspect.getsource(condition)}")
        time.sleep(POLL_SECONDS)
