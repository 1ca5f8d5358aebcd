"""Several API processes on one port: what `python -m service.api` becomes for `API_PROCESSES`.

    SIGTERM   all drain and end, and so does this process
    SIGHUP    each is replaced by a new one, one after another

The listening sockets belong to this process, one for each of its children, all on the same port;
the kernel spreads connections over them. A child is replaced by one that listens on the same
socket, and is told to end once the new one serves, so nobody who has connected is turned away. A
child that ends by itself is replaced; what has connected to its socket waits for the next one.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence

import structlog

from infrastructure.settings import ApiSettings, read_settings
from infrastructure.telemetry.logging import configure_logging
from service.api.listening import close_all, listen_several
from service.api.membership import READY, environment_of_member

START_SECONDS = 60.0
"""A child that does not serve after so long is given up."""
PAUSE_SECONDS = 0.5
"""Between the end of a child and the start of the next one in its place."""
KILL_SECONDS = 5.0
"""What children get beyond the grace before they are killed."""

_log = structlog.get_logger(__name__)


class Member:
    """One child process.

    Attributes:
        number: its place, from 0.
        process: the process.
    """

    def __init__(self, number: int, process: asyncio.subprocess.Process, ready_end: int) -> None:
        """Take a started process and the end of the pipe on which it says that it serves."""
        self.number = number
        self.process = process
        self._ready_end = ready_end

    async def serves(self) -> bool:
        """Wait until it serves; false if it ended or took too long."""
        loop = asyncio.get_running_loop()
        said: asyncio.Future[bool] = loop.create_future()

        def read() -> None:
            if not said.done():
                said.set_result(os.read(self._ready_end, 1) == READY)

        loop.add_reader(self._ready_end, read)
        try:
            async with asyncio.timeout(START_SECONDS):
                return await said
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._ready_end)
            os.close(self._ready_end)

    async def end(self, seconds: float) -> int:
        """Ask it to drain, kill it when it takes longer; returns the exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(seconds):
                return await self.process.wait()
        except TimeoutError:
            _log.warning("An API process does not end and is killed", pid=self.process.pid)
            self.process.kill()
            return await self.process.wait()


class Several:
    """The children, each kept running in its place."""

    def __init__(self, settings: ApiSettings, command: Sequence[str]) -> None:
        """Describe them; nothing is started.

        Args:
            settings: the API's.
            command: runs one child.
        """
        self._settings = settings
        self._command = command
        self._members: dict[int, Member] = {}
        self._running: set[Member] = set()
        self._sockets: list[socket.socket] = []
        self._told_to_stop = asyncio.Event()
        self._replacing = asyncio.Lock()
        self._code = 0

    async def run(self) -> int:
        """Run until told to stop; returns the exit code."""
        settings = self._settings
        self._sockets = listen_several(settings.host, settings.port, settings.api_processes)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        replacements: set[asyncio.Task[None]] = set()

        def replace() -> None:
            task = asyncio.create_task(self._replace_all())
            replacements.add(task)
            task.add_done_callback(replacements.discard)

        loop.add_signal_handler(signal.SIGHUP, replace)
        keepers = [asyncio.create_task(self._keep(number)) for number in range(len(self._sockets))]
        await self._told_to_stop.wait()
        # Before the children close theirs, so that the port refuses and nobody waits in vain.
        close_all(self._sockets)
        for task in (*keepers, *replacements):
            task.cancel()
        await asyncio.gather(*keepers, *replacements, return_exceptions=True)
        grace = settings.shutdown_grace_seconds + KILL_SECONDS
        await asyncio.gather(*(self._end(member, grace) for member in list(self._running)))
        return self._code

    def _stop(self) -> None:
        if self._told_to_stop.is_set():
            # Asked twice: the children end at once as well.
            for member in self._running:
                if member.process.returncode is None:
                    member.process.terminate()
        self._told_to_stop.set()

    async def _keep(self, number: int) -> None:
        """Have a child in this place, always."""
        member = await self._start(number)
        self._members[number] = member
        if not await member.serves():
            # As it would be with one process: whoever started this one decides what follows.
            self._code = await self._end(member, KILL_SECONDS) or 1
            self._told_to_stop.set()
            return
        while True:
            member = self._members[number]
            code = await member.process.wait()
            if member is not self._members[number]:
                continue
            self._running.discard(member)
            _log.warning("An API process ended, another takes its place", code=code)
            await asyncio.sleep(PAUSE_SECONDS)
            async with self._replacing:
                if member is self._members[number]:
                    await self._put_anew(number)

    async def _replace_all(self) -> None:
        """Replace each child by a new one, one after another."""
        _log.info("API processes are replaced", processes=len(self._members))
        async with self._replacing:
            for number in sorted(self._members):
                await self._put_anew(number)
        _log.info("API processes were replaced")

    async def _put_anew(self, number: int) -> None:
        """Start a child in a place; the one that was there ends when the new one serves."""
        member = await self._start(number)
        if not await member.serves():
            _log.error("A new API process does not serve, see what it has logged")
            await self._end(member, KILL_SECONDS)
            return
        before, self._members[number] = self._members[number], member
        await self._end(before, self._settings.shutdown_grace_seconds + KILL_SECONDS)

    async def _end(self, member: Member, seconds: float) -> int:
        code = await member.end(seconds)
        self._running.discard(member)
        return code

    async def _start(self, number: int) -> Member:
        ready_end, child_end = os.pipe()
        listener = self._sockets[number].fileno()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=environment_of_member(os.environ, number, listener, child_end),
                pass_fds=(listener, child_end),
                # A Ctrl-C in a terminal is for this process, which then tells the others once.
                start_new_session=True,
            )
        finally:
            os.close(child_end)
        member = Member(number, process, ready_end)
        self._running.add(member)
        return member


def main() -> int:
    """Run them; returns the exit code."""
    settings = read_settings(ApiSettings)
    configure_logging("api", settings.log_level, settings.log_format)
    return asyncio.run(Several(settings, [sys.executable, "-m", "service.api"]).run())


if __name__ == "__main__":
    sys.exit(main())
