"""Checks streams on several processors: ranges of tasks go to processes with their own connections.

A single process would do; it would wait for the server and the server for it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import NamedTuple

from domain.errors import KetlogError
from infrastructure.postgres.audit import HIGHEST, Range, ranges, read_streams
from infrastructure.postgres.connect import Connection, connect, translated_errors
from service.audit.findings import Finding, Tally
from service.audit.streams import check_streams

APPLICATION_NAME = "ketlog verify"
PIECES_AHEAD = 2


class Checked(NamedTuple):
    """What was found in a range of tasks."""

    findings: list[Finding]
    tally: Tally


async def check_all(connection: Connection, dsn: str, jobs: int) -> AsyncIterator[Checked]:
    """Check every stream of the log, range by range.

    Args:
        connection: for looking ahead, and for a log of one range.
        dsn: where the processes connect to.
        jobs: how many processes.

    Raises:
        KetlogError, asyncpg.PostgresError, OSError: the log cannot be read any more.
    """
    pieces = ranges(connection)
    first = await anext(pieces)
    if jobs == 1 or first[1] == HIGHEST:
        yield await _check(connection, first)
        async for tasks in pieces:
            yield await _check(connection, tasks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start, (dsn,)) as pool:
        try:
            async for checked in _in_order(pool, first, pieces, PIECES_AHEAD * jobs):
                yield checked
        except BrokenProcessPool as error:
            raise KetlogError("a process that checked a part of the log was killed") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


async def _in_order(
    pool: Executor, first: Range, others: AsyncIterator[Range], ahead: int
) -> AsyncIterator[Checked]:
    loop = asyncio.get_running_loop()
    waiting = deque([loop.run_in_executor(pool, _work, first)])
    async for tasks in others:
        if len(waiting) == ahead:
            yield await waiting.popleft()
        waiting.append(loop.run_in_executor(pool, _work, tasks))
    while waiting:
        yield await waiting.popleft()


async def _check(connection: Connection, tasks: Range) -> Checked:
    tally = Tally()
    piece = await read_streams(connection, tasks)
    return Checked(list(check_streams(piece, tally)), tally)


class _Process:
    """One of the processes: an event loop with a connection."""

    def __init__(self, dsn: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(connect(dsn, APPLICATION_NAME))

    def check(self, tasks: Range) -> Checked:
        """Check one range."""
        return self._runner.run(self._checked(tasks))

    async def _checked(self, tasks: Range) -> Checked:
        async with translated_errors():
            return await _check(self._connection, tasks)


_process: _Process


def _start(dsn: str) -> None:
    global _process  # noqa: PLW0603 - the pool keeps nothing else for its processes
    _process = _Process(dsn)


def _work(tasks: Range) -> Checked:
    return _process.check(tasks)
