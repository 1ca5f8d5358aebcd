"""What the database holds, asked past every proxy, however often the server goes away."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1


class Truth:
    """Asks the owner's questions.

    Args:
        dsn: of the owner.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._asking = asyncio.Lock()

    async def fetch(self, query: str, *values: object) -> Sequence[asyncpg.Record]:
        """Return the rows, asking until the server answers; fails after a minute."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await self._fetch(query, values)
            except AWAY:
                await self.close()
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def value(self, query: str, *values: object) -> Any:
        """Return the first column of the first row."""
        rows = await self.fetch(query, *values)
        return rows[0][0] if rows else None

    async def leases(self) -> dict[str, list[tuple[UUID, int]]]:
        """Return what each worker runs: (task id, attempt)."""
        held: dict[str, list[tuple[UUID, int]]] = {}
        for row in await self.fetch("SELECT worker_id, task_id, attempt FROM leases"):
            held.setdefault(row["worker_id"], []).append((row["task_id"], row["attempt"]))
        return held

    async def holder(self, task_id: UUID) -> tuple[str, int] | None:
        """Return the worker that has a task's lease, and the attempt; `None` without a lease."""
        rows = await self.fetch("SELECT worker_id, attempt FROM leases WHERE task_id = $1", task_id)
        return (rows[0][0], rows[0][1]) if rows else None

    async def attempt(self, task_id: UUID) -> tuple[str, int]:
        """Return a task's status and attempt; empty and 0 when there is no such task."""
        rows = await self.fetch(
            "SELECT current_status, attempt FROM tasks WHERE task_id = $1", task_id
        )
        return (rows[0][0], rows[0][1]) if rows else ("", 0)

    async def unfinished(self, before: float) -> int:
        """Return how many tasks that were accepted before this time have not ended.

        Args:
            before: seconds since the epoch; the server's clock is this machine's.
        """
        return int(
            await self.value(
                "SELECT count(*) FROM tasks"
                " WHERE completed_at IS NULL AND submitted_at <= to_timestamp($1)",
                before,
            )
        )

    async def close(self) -> None:
        """Drop the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _fetch(self, query: str, values: Sequence[object]) -> Sequence[asyncpg.Record]:
        async with self._asking, asyncio.timeout(10):
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._dsn, timeout=3)
            try:
                return list(await self._connection.fetch(query, *values))
            except BaseException:
                # Whoever was interrupted here leaves a connection in the middle of something.
                await self.close()
                raise
