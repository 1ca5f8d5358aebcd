"""A disk that a test can fill: a few megabytes of memory, mounted as a file system."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.local.account import ServerAccount
from infrastructure.local.postgres import PostgresServer
from tests import servers

BLOCK = 4096


class SmallDisk:
    """One file system and the ballast that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no block free."""
        with self._ballast.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(BLOCK))

    def free(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """A small disk that the servers' account can write; skips where it cannot be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    account = ServerAccount.current()
    folder = account.make_reachable_root("ketlog-test-disk-")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a server that was not shut down may still have files open there.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def only_native(server: servers.DatabaseServer) -> None:
    """Skip the test where the server cannot see the disks of this machine."""
    if not isinstance(server, PostgresServer):
        pytest.skip("the server does not run beside the tests, so it cannot use their disk")
