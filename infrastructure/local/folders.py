"""The files of one stack: its own folder, and what had to go where the servers reach it."""

import fcntl
import json
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infrastructure.local.account import ServerAccount


class StackFolders:
    """Paths below the stack's folder (`.stack`), made on demand.

    The servers may run as an account that cannot look into the checkout. Their data then goes to
    a new folder outside; its path is kept in `.stack/servers.path`, and `remove` removes both.
    """

    def __init__(self, stack_dir: Path, account: ServerAccount) -> None:
        """Remember where the stack keeps its files; nothing is made yet."""
        self.stack_dir = stack_dir
        self._account = account

    @property
    def exists(self) -> bool:
        """Whether there is anything of this stack."""
        return self.stack_dir.is_dir()

    @property
    def logs(self) -> Path:
        """Folder with one log file per process."""
        return self._made("logs")

    @property
    def run(self) -> Path:
        """Folder of the supervisor's own files and of the heartbeats; only its owner enters."""
        return self._made("run")

    @property
    def env_file(self) -> Path:
        """File that says how to reach the running stack."""
        return self.stack_dir / "env"

    @property
    def servers(self) -> Path:
        """Folder with the data of PostgreSQL and RabbitMQ, which their account can reach."""
        pointer = self.stack_dir / "servers.path"
        if pointer.exists():
            return self._account.make_root(Path(pointer.read_text().strip()))
        self._make_stack_dir()
        inside = self._account.make_root(self.stack_dir / "servers")
        if self._account.can_enter(inside):
            return inside
        inside.rmdir()
        outside = self._account.make_reachable_root("ketlog-", lasting=True)
        write_private(pointer, f"{outside}\n")
        return outside

    @property
    def seals(self) -> Mapping[str, str]:
        """Where the log's signing key lies and its checkpoints are shipped to, by variable."""
        folder = self.stack_dir / "seals"
        return {
            "SIGNING_KEY_FILE": str(folder / "signing.key"),
            "CHECKPOINT_SINK": str(folder / "checkpoints"),
        }

    def heartbeat(self, process: str) -> Path:
        """The heartbeat file of one process."""
        return self.run / f"{process}.heartbeat"

    def recall(self, name: str) -> Mapping[str, int]:
        """Numbers that were remembered under this name; empty when there are none."""
        try:
            remembered: Mapping[str, int] = json.loads((self.run / f"{name}.json").read_text())
        except FileNotFoundError:
            return {}
        return remembered

    def remember(self, name: str, numbers: Mapping[str, int]) -> None:
        """Keep some numbers for later commands."""
        write_private(self.run / f"{name}.json", json.dumps(numbers))

    def write_env(self, endpoints: Mapping[str, str]) -> None:
        """Write the file that a shell can read to reach the stack."""
        self._make_stack_dir()
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in endpoints.items()]
        write_private(self.env_file, "".join(lines))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one command at a time change the stack; others wait."""
        self._make_stack_dir()
        with (self.stack_dir / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def remove(self) -> None:
        """Remove every file of the stack, wherever it lies."""
        pointer = self.stack_dir / "servers.path"
        if pointer.exists():
            shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)
        if self.exists:
            shutil.rmtree(self.stack_dir)

    def _made(self, name: str) -> Path:
        self._make_stack_dir()
        folder = self.stack_dir / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _make_stack_dir(self) -> None:
        self._account.make_root(self.stack_dir)


def write_private(file: Path, content: str) -> None:
    """Replace a file, readable by its owner alone, at once or not at all."""
    temporary = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(content)
    temporary.replace(file)
