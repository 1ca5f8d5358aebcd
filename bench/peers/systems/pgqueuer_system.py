"""PGQueuer, whose queue is in PostgreSQL; the entrypoint stores the result.

From its documentation: tables of durability `durable` (the default), blocking code in
`asyncio.to_thread`, and jobs of a lost worker come back by the heartbeat (30 s, the default). A
lock gives each worker one circuit at a time, as the others have it.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job

from bench.load import SHOTS, bell_circuit
from bench.peers.systems import results
from bench.peers.systems.circuit import run_circuit
from bench.peers.systems.system import System

_INSERT = "INSERT INTO results (number, counts) VALUES ($1, $2)"


@asynccontextmanager
async def worker() -> AsyncIterator[PgQueuer]:
    """Make the worker that `pgq run` runs."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=2, max_size=5) as pool:
        pgq = PgQueuer.from_asyncpg_pool(pool)
        one = asyncio.Lock()

        async def bell(job: Job) -> None:
            task = json.loads(job.payload or b"")
            async with one:
                counts = await asyncio.to_thread(run_circuit, task["text"], task["shots"])
            await pool.execute(_INSERT, task["number"], json.dumps(counts))

        pgq.entrypoint("bell")(bell)
        yield pgq


class PgqueuerSystem(System):
    """PGQueuer's client."""

    def install(self) -> None:
        """Make the table for the results; `pgq install` makes the others."""
        results.make_table()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open a pool with a connection for each lane."""
        async with asyncpg.create_pool(
            os.environ["DATABASE_URL"], min_size=32, max_size=32
        ) as pool:
            self._queries = Queries(AsyncpgPoolDriver(pool))
            yield

    async def submit(self, number: int) -> None:
        """Insert a job and wait for the commit."""
        task = {"number": number, "text": bell_circuit(number), "shots": SHOTS}
        await self._queries.enqueue("bell", json.dumps(task).encode())
