"""Works through ranges of tasks on several processors: processes with connections of their own.

A single process would do; it would wait for the server and the server for it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from domain.errors import KetlogError
from infrastructure.postgres.audit import HIGHEST, LOWEST, Range, ranges
from infrastructure.postgres.connect import Connection, translated_errors

T = TypeVar("T")
Connect: TypeAlias = Callable[[], Awaitable[Connection]]
Work: TypeAlias = Callable[[Connection, Range], Awaitable[T]]

PIECES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """What is done with each range; both functions are sent to the processes.

    Attributes:
        connect: opens the connection of a process.
        work: does one range.
    """

    connect: Connect
    work: Work[T]


async def over_ranges(
    connection: Connection, job: Job[T], processes: int, first: UUID = LOWEST
) -> AsyncIterator[tuple[Range, T]]:
    """Yield what came of each range, in the order of task ids, from `first` on.

    Args:
        connection: for looking ahead, and for a log of one range.

    Raises:
        KetlogError, asyncpg.PostgresError, OSError: the log cannot be read any more.
    """
    pieces = ranges(connection, first)
    piece = await anext(pieces)
    if processes == 1 or piece[1] == HIGHEST:
        yield piece, await job.work(connection, piece)
        async for piece in pieces:
            yield piece, await job.work(connection, piece)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (job,)) as pool:
        try:
            async for done in _in_order(pool, piece, pieces, PIECES_AHEAD * processes):
                yield done
        except BrokenProcessPool as error:
            raise KetlogError("a process that worked on a part of the log was killed") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


async def _in_order(
    pool: Executor, first: Range, others: AsyncIterator[Range], ahead: int
) -> AsyncIterator[tuple[Range, Any]]:
    loop = asyncio.get_running_loop()
    waiting = deque([(first, loop.run_in_executor(pool, _work, first))])
    async for piece in others:
        if len(waiting) == ahead:
            done, result = waiting.popleft()
            yield done, await result
        waiting.append((piece, loop.run_in_executor(pool, _work, piece)))
    while waiting:
        done, result = waiting.popleft()
        yield done, await result


class _Process:
    """One of the processes: an event loop with a connection."""

    def __init__(self, job: Job[Any]) -> None:
        self._work = job.work
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(_connected(job))

    def work(self, piece: Range) -> Any:
        """Do one range."""
        return self._runner.run(self._translated(piece))

    async def _translated(self, piece: Range) -> Any:
        async with translated_errors():
            return await self._work(self._connection, piece)


async def _connected(job: Job[Any]) -> Connection:
    return await job.connect()


_process: _Process


def _start(job: Job[Any]) -> None:
    global _process  # noqa: PLW0603 - the pool keeps nothing else for its processes
    _process = _Process(job)


def _work(piece: Range) -> Any:
    return _process.work(piece)
