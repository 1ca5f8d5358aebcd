"""Ports on the loopback interface: which are free, and who answers."""

import random
import socket
import time
from collections import deque
from collections.abc import Callable, Collection

LOOPBACK = "127.0.0.1"

# Below the range from which Linux draws the ports of outgoing connections, so that a server that
# is started again finds its port still free.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000

# Between the choice of a port and the moment at which a server listens on it lie seconds, in which
# other processes choose as well. Each choice is therefore announced by an abstract socket of the
# port's name, which only one process can have. The oldest are given up, for their servers listen.
_announced: deque[socket.socket] = deque(maxlen=256)


class NotReadyError(Exception):
    """A server did not answer in time, or ended while it started."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _announce(port: int) -> bool:
    """Claim a port among all processes that choose by `free_port`; false when another has it."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0ketlog-port-{port}")
    except OSError:
        claim.close()
        return False
    if len(_announced) == _announced.maxlen:
        _announced.popleft().close()
    _announced.append(claim)
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """A loopback port that nobody uses now, other than those in `taken`.

    No other call gets the same one while this process lives and makes fewer than 256 more choices.
    """
    for _ in range(1000):
        port = random.randint(_FIRST_PORT, _LAST_PORT)  # noqa: S311
        if port not in taken and is_free(port) and _announce(port):
            return port
    raise OSError(f"no free port between {_FIRST_PORT} and {_LAST_PORT}")


def free_ports(count: int) -> list[int]:
    """Several different free loopback ports."""
    ports: list[int] = []
    while len(ports) < count:
        ports.append(free_port(ports))
    return ports


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    timeout: float,
    alive: Callable[[], bool] = lambda: True,
    interval: float = 0.05,
) -> None:
    """Poll until `ready` holds.

    Args:
        ready: Called again and again; must answer quickly.
        what: Name of what is awaited, for the error.
        timeout: Seconds.
        alive: When this turns false the wait ends at once.
        interval: Seconds between two questions.

    Raises:
        NotReadyError: The time is over, or `alive` no longer holds.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive():
            raise NotReadyError(f"{what} ended while it started")
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what} was not ready after {timeout:g} s")
        time.sleep(interval)
