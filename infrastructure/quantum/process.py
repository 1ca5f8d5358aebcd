"""One simulator process, seen from the pool's side."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from infrastructure.quantum.frames import (
    TICKET_BYTES,
    FrameBuffer,
    FrameError,
    frame,
    read_tickets,
    ticket,
)
from infrastructure.quantum.limits import EngineLimits

PROJECT_ROOT = Path(__file__).resolve().parents[2]
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_MOST_TICKETS = 16
_HIGH_WATER_MARK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_FIRST_REAP_DELAY = 0.0005
_LAST_REAP_DELAY = 0.05


class SimulatorProcess(asyncio.Protocol):
    """A child that runs one circuit at a time.

    The callbacks run on the event loop, in order: `on_ready` at most once, `on_answer` for each
    request that was begun, `on_exit` exactly once when the process has ended and is reaped.

    Attributes:
        ready: whether the child has finished starting up.
        facts: what the child said of itself when it became ready.
    """

    def __init__(
        self,
        limits: EngineLimits,
        program: str,
        *,
        on_ready: Callable[["SimulatorProcess"], None],
        on_answer: Callable[["SimulatorProcess", int, dict[str, Any]], None],
        on_exit: Callable[["SimulatorProcess", int, str], None],
    ) -> None:
        self.ready = False
        self.facts: dict[str, Any] = {}
        self._on_ready = on_ready
        self._on_answer = on_answer
        self._on_exit = on_exit
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport | None = None
        self._complaint = ""
        self._loop = asyncio.get_running_loop()
        self._tickets_out = self._tickets_in = -1
        self._process = self._spawn(limits, program)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def connect(self) -> None:
        """Begin to listen to the child."""
        transport, _ = await self._loop.create_unix_connection(lambda: self, sock=self._socket)
        self._transport = transport

    def send(self, token: int, request: dict[str, Any]) -> None:
        """Put a request into the child's pipe; it begins it as soon as it is free."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame({"token": token, "request": request}))
            os.write(self._tickets_in, ticket(token))

    def take_back(self, tokens: Collection[int]) -> set[int]:
        """Take requests back that lie in the pipe; returns those that the child has not begun."""
        try:
            packed = os.read(self._tickets_out, _MOST_TICKETS * TICKET_BYTES)
        except BlockingIOError:
            return set()
        found = read_tickets(packed)
        for token in found:
            if token not in tokens:
                os.write(self._tickets_in, ticket(token))
        return set(found).intersection(tokens)

    def kill(self) -> None:
        """End the child at once. Safe at any time; `on_exit` follows."""
        self._process.kill()

    def peak_memory(self) -> int | None:
        """Highest resident memory in bytes so far; None if the process is gone."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return None
        found = _HIGH_WATER_MARK.search(status)
        return int(found[1]) * 1024 if found else None

    def data_received(self, data: bytes) -> None:
        """Handle the child's messages."""
        try:
            for message in self._buffer.feed(data):
                self._handle(message)
        except (FrameError, KeyError) as error:
            self._complaint = f"it sent no valid message: {error}"
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        """The child closed its end, which only its death does."""
        del exc
        self._reap(_FIRST_REAP_DELAY)

    def _handle(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self.ready = True
            self.facts = message["ready"]
            self._on_ready(self)
        elif "failed" in message:
            self._complaint = str(message["failed"])
        else:
            self._on_answer(self, message["token"], message)

    def _reap(self, delay: float) -> None:
        if self._process.poll() is None:
            if delay >= _LAST_REAP_DELAY:
                self.kill()
            self._loop.call_later(delay, self._reap, min(delay * 2, _LAST_REAP_DELAY))
            return
        for descriptor in (self._tickets_out, self._tickets_in):
            os.close(descriptor)
        self._tickets_out = self._tickets_in = -1
        status = self._process.returncode
        self._on_exit(self, status, self._complaint or _describe(status))

    def _spawn(self, limits: EngineLimits, program: str) -> "subprocess.Popen[bytes]":
        self._socket, child_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._tickets_out, self._tickets_in = os.pipe()
        try:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", program),
                    *(str(child_socket.fileno()), str(self._tickets_out), str(os.getpid())),
                    json.dumps(limits.to_json()),
                ],
                env=_environment(limits),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(child_socket.fileno(), self._tickets_out),
                start_new_session=True,
            )
        finally:
            child_socket.close()
            os.set_blocking(self._tickets_out, False)


def _environment(limits: EngineLimits) -> dict[str, str]:
    """What a simulator may know: where the code is and how many threads to use. No secrets."""
    threads = str(limits.simulator_threads)
    return {
        **{name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "RAYON_NUM_THREADS": threads,
        "QISKIT_PARALLEL": "FALSE",
        "QISKIT_IN_PARALLEL": "TRUE",
        "MALLOC_ARENA_MAX": "2",
    }


def _describe(returncode: int) -> str:
    if returncode >= 0:
        return f"it exited with status {returncode}"
    name = signal.Signals(-returncode).name
    if name == "SIGKILL":
        return "it was killed by SIGKILL, probably because the machine ran out of memory"
    return f"it was killed by {name}"
