"""Procrastinate, whose queue is in PostgreSQL; the task stores the result.

By default the jobs of a lost worker stay `doing` for ever. Its documentation advises a periodic
task that retries stalled jobs; here it runs every ten seconds, with the default heartbeat of 10 s
and 30 s until a worker counts as stalled.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import procrastinate

from bench.load import SHOTS, bell_circuit
from bench.peers.systems import results
from bench.peers.systems.circuit import run_circuit
from bench.peers.systems.system import System

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(
        conninfo=os.environ["DATABASE_URL"], min_size=4, max_size=32
    )
)


def _bell(number: int, text: str, shots: int) -> None:
    results.store(number, run_circuit(text, shots))


async def _retry_stalled_jobs(context: procrastinate.JobContext, timestamp: int) -> None:  # noqa: ARG001 - its signature
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


bell = app.task(name="bell")(_bell)
app.periodic(cron="* * * * * */10")(
    app.task(name="retry_stalled_jobs", queueing_lock="retry_stalled_jobs", pass_context=True)(
        _retry_stalled_jobs
    )
)


class ProcrastinateSystem(System):
    """Procrastinate's client."""

    def install(self) -> None:
        """Make the table for the results; `procrastinate schema --apply` makes the others."""
        results.make_table()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the connector's pool."""
        async with app.open_async():
            yield

    async def submit(self, number: int) -> None:
        """Insert a job and wait for the commit."""
        await bell.defer_async(number=number, text=bell_circuit(number), shots=SHOTS)
