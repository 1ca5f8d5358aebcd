"""Long work in the event loop, in pieces: others have their turn in between."""

import asyncio
import time

PIECE_SECONDS = 0.005


class Pace:
    """Tells when it is time to let others go on."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def breathe(self) -> None:
        """Let others go on if this has lasted for `PIECE_SECONDS`."""
        if time.perf_counter() - self._since > PIECE_SECONDS:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
