"""RabbitMQ from the system's packages, which no wheel carries."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from infrastructure.local.rabbitmq import installed_server

_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-y")
_SERVICES = ("rabbitmq-server.service", "epmd.service", "epmd.socket")
_POLICY = Path("/usr/sbin/policy-rc.d")


class MissingServerError(Exception):
    """A server has to be installed by the user; the message says how."""


def ensure_rabbitmq(report: Callable[[str], None]) -> None:
    """Install RabbitMQ when it is missing, the caller is root, and this is Debian or Ubuntu.

    The package would start a broker for the whole machine, on every interface, now and after the
    next boot. The stack starts a private one instead, so both are prevented.

    Args:
        report: Told what is being done when something is.

    Raises:
        MissingServerError: It is missing and cannot be installed from here.
    """
    try:
        installed_server()
    except FileNotFoundError as error:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise MissingServerError(str(error)) from None
    else:
        return
    report("installing RabbitMQ with apt-get, once (about 100 MB)")
    with _no_service_starts():
        _run(*_APT, "update")
        _run(*_APT, "install", "--no-install-recommends", "rabbitmq-server")
    _disable_services()
    installed_server()


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Make Debian's package scripts start nothing; a rule that is there already is left alone."""
    try:
        descriptor = os.open(_POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:
        yield
        return
    with os.fdopen(descriptor, "w") as file:
        file.write("#!/bin/sh\nexit 101\n")
        os.fchmod(descriptor, 0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _disable_services() -> None:
    if shutil.which("systemctl"):
        for service in _SERVICES:
            # Not all of them exist in every release.
            subprocess.run(
                ["systemctl", "disable", "--quiet", service], check=False, capture_output=True
            )
    if shutil.which("update-rc.d"):
        subprocess.run(
            ["update-rc.d", "rabbitmq-server", "disable"], check=False, capture_output=True
        )


def _run(*command: str) -> None:
    outcome = subprocess.run(
        command,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    if outcome.returncode != 0:
        raise MissingServerError(
            f"`{' '.join(command)}` failed, so RabbitMQ is not installed:\n"
            f"{(outcome.stdout + outcome.stderr)[-2000:]}"
        )
