"""The alarms of a broker that lacks memory or disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests import servers

MORE_BYTES_THAN_THERE_ARE = 10**15


class Alarms:
    """Raises the alarms of a broker and takes them back."""

    def __init__(self, server: servers.BrokerServer) -> None:
        self._server = server
        self._raised = False

    async def memory(self) -> None:
        """Leave it no memory."""
        await self._evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.00001)")

    async def disk(self) -> None:
        """Leave it no disk."""
        await self._evaluate(
            f"rabbit_disk_monitor:set_disk_free_limit({MORE_BYTES_THAN_THERE_ARE})"
        )

    async def over(self) -> None:
        """Give it both again."""
        if self._raised:
            await self._evaluate(
                "vm_memory_monitor:set_vm_memory_high_watermark(0.6),"
                " rabbit_disk_monitor:set_disk_free_limit(1000000)"
            )
        self._raised = False

    async def _evaluate(self, expression: str) -> None:
        self._raised = True
        await asyncio.to_thread(self._server.control, "eval", f"{expression}.")


@asynccontextmanager
async def alarms_of(server: servers.BrokerServer) -> AsyncIterator[Alarms]:
    """Alarms that are over at the end, whatever happens."""
    made = Alarms(server)
    try:
        yield made
    finally:
        await made.over()
