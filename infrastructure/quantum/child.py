"""The simulator process: reads circuits from its pipe, runs them, answers.

Started by the pool as `python -m infrastructure.quantum.child`; see `frames` for the language.
Processes that do something else with circuits begin in the same way, with an engine of their own.
"""

import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from infrastructure.quantum import sandbox
from infrastructure.quantum.frames import (
    TICKET_BYTES,
    FrameBuffer,
    frame,
    read_tickets,
)
from infrastructure.quantum.limits import EngineLimits

_READ_BYTES = 1 << 18
_MIB = 1024 * 1024


class Engine(Protocol):
    """What a process does with circuits.

    Attributes:
        memory_mb: MiB that one answer may take beyond what is in use after the start.
        peak: the process's memory meter.
    """

    memory_mb: int
    peak: sandbox.PeakMemory

    @property
    def code(self) -> tuple[str, ...]:
        """Files of the libraries that may still be read while it works."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What the parent may want to know about this process."""
        ...

    def warm_up(self) -> None:
        """Load and fill everything that a first answer would wait for."""
        ...

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; whatever is wrong with a circuit is part of it."""
        ...


MakeEngine = Callable[[EngineLimits], Engine]


class ParentGone(Exception):
    """The parent closed its end."""


class Inbox:
    """Requests as they come, each begun only with its ticket."""

    def __init__(self, connection: socket.socket, tickets: int) -> None:
        self._connection = connection
        self._tickets = tickets
        self._frames = FrameBuffer()
        self._waiting: list[dict[str, Any]] = []
        self._poll = select.poll()
        self._poll.register(tickets, select.POLLIN)

    def next(self) -> dict[str, Any]:
        """Wait for a ticket and return its request; requests without one are dropped."""
        token = self._next_token()
        while True:
            for position, message in enumerate(self._waiting):
                if message["token"] == token:
                    del self._waiting[: position + 1]
                    return message
            self._waiting.clear()
            self._receive()

    def _next_token(self) -> int:
        while True:
            self._poll.poll()
            try:
                packed = os.read(self._tickets, TICKET_BYTES)
            except BlockingIOError:
                continue
            if not packed:
                raise ParentGone
            return read_tickets(packed)[0]

    def _receive(self) -> None:
        data = self._connection.recv(_READ_BYTES)
        if not data:
            raise ParentGone
        self._waiting += self._frames.feed(data)


def main(make: MakeEngine) -> None:
    """Start up, then serve until the parent is gone."""
    _, connection_fd, tickets_fd, parent, limits = sys.argv
    _serve(
        make,
        int(connection_fd),
        int(tickets_fd),
        int(parent),
        EngineLimits.from_json(json.loads(limits)),
    )


def _serve(
    make: MakeEngine, connection_fd: int, tickets_fd: int, parent: int, limits: EngineLimits
) -> None:
    sandbox.tie_to_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    connection = socket.socket(fileno=connection_fd)
    try:
        engine = _start(make, parent, limits)
        ready = frame({"ready": engine.facts})
    except Exception as error:
        connection.sendall(frame({"failed": f"{type(error).__name__}: {error}"}))
        raise
    connection.sendall(ready)
    inbox = Inbox(connection, tickets_fd)
    peak = engine.peak
    while True:
        try:
            message = inbox.next()
        except ParentGone:
            return
        sandbox.limit_processor_time(limits.simulator_cpu_seconds)
        outcome = engine.answer(message["request"])
        retires = _too_fat(peak, limits)
        answer = {"token": message["token"], "outcome": outcome, "peak": peak.highest()}
        connection.sendall(frame({**answer, "retires": True} if retires else answer))
        if retires:
            _wait_for_the_end(connection)
            return


def _start(make: MakeEngine, parent: int, limits: EngineLimits) -> Engine:
    sandbox.be_the_first_to_go()
    logging.disable(logging.CRITICAL)
    engine = make(limits)
    engine.warm_up()
    sandbox.freeze_imports()
    sandbox.give_up_privileges(code=(__file__, os.__file__, json.__file__, *engine.code))
    sandbox.tie_to_parent(parent)
    sandbox.limit_resources(engine.memory_mb, limits.simulator_threads)
    return engine


def _simulator(limits: EngineLimits) -> Engine:
    from infrastructure.quantum.runner import Runner  # noqa: PLC0415 - tied to the parent first

    return Runner(limits, sandbox.loop_guard)


def _too_fat(peak: sandbox.PeakMemory, limits: EngineLimits) -> bool:
    bound = limits.simulator_recycle_mb * _MIB
    if peak.highest() <= bound:
        return False
    sandbox.release_memory()
    return sandbox.resident_memory() > bound


def _wait_for_the_end(connection: socket.socket) -> None:
    while connection.recv(_READ_BYTES):
        pass


if __name__ == "__main__":
    main(_simulator)
