"""What the client asks of each compared system."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bench.peers.systems.lanes import Submitted, in_tasks, in_threads


class System(ABC):
    """A system whose client is asynchronous."""

    def install(self) -> None:  # noqa: B027 - not every system needs it
        """Make what the database needs, once."""

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[None]:
        """Hold the client's connections open."""

    @abstractmethod
    async def submit(self, number: int) -> None:
        """Submit the Bell pair of this number; returns when the system says that it is safe."""

    async def submit_many(self, numbers: range, lanes: int) -> Submitted:
        """Submit them over so many lanes."""
        return await in_tasks(self.submit, numbers, lanes)


class BlockingSystem(System):
    """A system whose client blocks: submissions run in threads."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Each thread opens what it needs."""
        yield

    @abstractmethod
    def submit_now(self, number: int) -> None:
        """Submit and block until it is safe."""

    async def submit(self, number: int) -> None:
        """Submit in a thread."""
        await asyncio.to_thread(self.submit_now, number)

    async def submit_many(self, numbers: range, lanes: int) -> Submitted:
        """Submit with threads of their own, without the event loop."""
        return await asyncio.to_thread(in_threads, self.submit_now, numbers, lanes)
