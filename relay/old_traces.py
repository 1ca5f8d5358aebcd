"""Forgets recorded traces that are old."""

import asyncio

from domain.errors import StoreError
from infrastructure.postgres.traces import PostgresTraces

INTERVAL_SECONDS = 60.0
BRISK_SECONDS = 0.1
SPANS_AT_A_TIME = 5_000


class OldTraces:
    """Removes spans from the store once they are older than so many hours."""

    def __init__(self, traces: PostgresTraces, hours: float) -> None:
        self._traces = traces
        self._seconds = hours * 3600

    async def run(self) -> None:
        """Forget until cancelled; every relay may do so."""
        while True:
            try:
                gone = await self._traces.forget(self._seconds, SPANS_AT_A_TIME)
            except StoreError:
                # Others say that the database is away.
                gone = 0
            more = gone == SPANS_AT_A_TIME
            await asyncio.sleep(BRISK_SECONDS if more else INTERVAL_SECONDS)
