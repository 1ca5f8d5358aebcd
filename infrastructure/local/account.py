"""The account that the servers run as, and the folders that it can reach."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNPRIVILEGED_UID = 65534


@dataclass(frozen=True)
class ServerAccount:
    """A user id and group id, and whether a server has to be switched to it when it starts.

    PostgreSQL refuses to run as root, and RabbitMQ has no reason to.
    """

    uid: int
    gid: int
    switch: bool

    @classmethod
    def current(cls) -> "ServerAccount":
        """The caller's own account, or the unprivileged one (uid 65534) when the caller is root."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), switch=False)
        try:
            entry = pwd.getpwuid(UNPRIVILEGED_UID)
        except KeyError:
            raise LookupError(
                f"no account has the user id {UNPRIVILEGED_UID} (usually called nobody), and the "
                "servers must not run as root: create it, or run as a normal user"
            ) from None
        return cls(entry.pw_uid, entry.pw_gid, switch=True)

    @property
    def name(self) -> str:
        """The account's login name."""
        return pwd.getpwuid(self.uid).pw_name

    def popen_options(self) -> Mapping[str, Any]:
        """Keyword arguments that make `subprocess` start a program as this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can enter a folder (asked of the kernel, as this account)."""
        probe = subprocess.run(
            ["test", "-x", str(folder)],
            check=False,
            cwd="/",
            **self.popen_options(),
        )
        return probe.returncode == 0

    def own(self, *paths: Path) -> None:
        """Give files or folders that the caller has just made to this account."""
        if self.switch:
            for path in paths:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def make_root(self, folder: Path) -> Path:
        """Make a folder of the caller that this account can pass through, and no more.

        An existing one must belong to the caller already.
        """
        folder.mkdir(mode=0o711 if self.switch else 0o700, parents=True, exist_ok=True)
        _require_owner(folder, os.geteuid())
        return folder

    def make_folder(self, folder: Path) -> Path:
        """Make a folder of this account with mode 0700; an existing one must be its own already."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            _require_owner(folder, self.uid)
        else:
            self.own(folder)
        return folder

    def make_reachable_root(self, prefix: str, *, lasting: bool = False) -> Path:
        """Make a new root folder (see `make_root`) in a place where this account can reach it.

        Args:
            prefix: Start of the folder's name; the rest is random.
            lasting: Whether it should outlive a restart of the machine.

        Raises:
            PermissionError: There is no folder that the caller can write and this account enter.
        """
        temporary = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")]  # noqa: S108
        candidates = [Path("/var/lib"), *temporary[1:]] if lasting else temporary
        for parent in candidates:
            if os.access(parent, os.W_OK | os.X_OK) and self.can_enter(parent):
                folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
                if self.switch:
                    folder.chmod(0o711)
                return folder
        raise PermissionError(
            f"{self.name} can enter none of {', '.join(map(str, candidates))}: "
            "set TMPDIR to a folder that every user may enter"
        )


def _require_owner(folder: Path, uid: int) -> None:
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != uid:
        raise PermissionError(
            f"{folder} is a link or belongs to user id {status.st_uid} instead of {uid}: "
            "move it away, or choose another folder"
        )
