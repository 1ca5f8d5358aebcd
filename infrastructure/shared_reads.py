"""Shared reads: who asks at the same time is answered by one query.

Nobody waits on purpose. While reads are under way, whatever is asked for waits and becomes the next
one: alone on an idle system, dozens of keys at a time on a busy one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE = 2
"""So that the database looks up one read's keys while this process takes in another's."""

MOST_KEYS = 32


class SharedReads(Generic[K, V]):
    """Looks up values by key.

    Args:
        read: looks up several keys, each of them once; what it does not find is missing.
    """

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._asked: deque[tuple[K, asyncio.Future[V | None]]] = deque()
        self._reading: set[asyncio.Task[None]] = set()
        self._readers = 0

    async def get(self, key: K) -> V | None:
        """Return the value of a key, `None` if there is none; raises whatever the read raises."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._asked.append((key, answer))
        if self._readers < AT_ONCE:
            self._readers += 1
            reading = asyncio.create_task(self._answer_all())
            self._reading.add(reading)
            reading.add_done_callback(self._reading.discard)
        return await answer

    async def _answer_all(self) -> None:
        try:
            while self._asked:
                await self._answer_some(self._next_asked())
        finally:
            # Not when the task is seen to be done: who asks before that would wait for nobody.
            self._readers -= 1

    async def _answer_some(self, asked: Sequence[tuple[K, asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._read(list({key for key, _ in asked}))
        except BaseException as error:
            for _, answer in asked:
                _fail(answer, error)
            if not isinstance(error, Exception):
                raise
        else:
            for key, answer in asked:
                if not answer.done():
                    answer.set_result(found.get(key))

    def _next_asked(self) -> list[tuple[K, asyncio.Future[V | None]]]:
        count = min(MOST_KEYS, len(self._asked))
        return [self._asked.popleft() for _ in range(count)]


def _fail(answer: asyncio.Future[V | None], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, Exception):
        answer.set_exception(error)
    else:
        answer.cancel()
