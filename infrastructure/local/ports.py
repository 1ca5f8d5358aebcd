"""Ports on the loopback interface: which are free, and who answers."""

import random
import socket
import time
from collections.abc import Callable, Collection

LOOPBACK = "127.0.0.1"

# Below the range from which Linux draws the ports of outgoing connections, so that a server that
# is started again finds its port still free.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000


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


def free_port(taken: Collection[int] = ()) -> int:
    """A loopback port that nobody uses now, other than those in `taken`."""
    for _ in range(1000):
        port = random.randint(_FIRST_PORT, _LAST_PORT)  # noqa: S311
        if port not in taken and is_free(port):
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
