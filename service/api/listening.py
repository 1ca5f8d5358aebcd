"""Sockets that listen for the API's clients."""

import socket
from collections.abc import Iterable
from typing import Final

BACKLOG: Final = 2048


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; ends the process with advice when the port cannot be had."""
    return _listen(host, port, shared=False)


def listen_several(host: str, port: int, count: int) -> list[socket.socket]:
    """Return so many sockets on one port, over which the kernel spreads connections.

    A port that somebody else listens on is refused as `listen` does, though it could be shared.
    """
    _listen(host, port, shared=False).close()
    return [_listen(host, port, shared=True) for _ in range(count)]


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close them here; who has inherited one keeps it."""
    for one in sockets:
        one.close()


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)
    except OSError as error:
        raise SystemExit(
            f"ketlog cannot listen on {host}:{port} ({error.strerror or error}). "
            "Stop what uses that port, or set PORT (and HOST) to something else."
        ) from None
