"""How an API process learns that it is one of several: by one variable of its environment."""

import ctypes
import os
import signal
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final, Self

VARIABLE: Final = "KETLOG_API_MEMBER"
READY: Final = b"r"
_PR_SET_PDEATHSIG = 1


def environment_of_member(
    environment: Mapping[str, str], number: int, listener: int, ready_end: int
) -> dict[str, str]:
    """Return the environment of a child.

    Args:
        environment: of this process.
        number: the child's place, from 0.
        listener: descriptor of its listening socket.
        ready_end: descriptor that it writes `READY` to once it serves.
    """
    return {**environment, VARIABLE: f"{os.getpid()}:{number}:{listener}:{ready_end}"}


@dataclass(frozen=True, slots=True)
class Membership:
    """What one of several processes was given.

    Attributes:
        number: its place, from 0.
        listener: the socket that it serves.
    """

    number: int
    listener: socket.socket
    _ready_end: int

    @classmethod
    def take(cls, environment: MutableMapping[str, str] = os.environ) -> Self | None:
        """Take it over, once; `None` for a process that is not one of several.

        From then on this process is asked to end when its parent dies.
        """
        given = environment.pop(VARIABLE, "")
        if not given:
            return None
        parent, number, listener, ready_end = map(int, given.split(":"))
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit("the process that started this API process is gone")
        return cls(number, socket.socket(fileno=listener), ready_end)

    def serves(self) -> None:
        """Say that this process serves."""
        os.write(self._ready_end, READY)
        os.close(self._ready_end)
