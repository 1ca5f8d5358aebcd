"""The virtual environment of the compared systems, made from a lock file of their own."""

import hashlib
import subprocess
import sys
from pathlib import Path

from bench.machine import CHECKOUT

LOCK = Path(__file__).with_name("requirements.lock")
FOLDER = CHECKOUT / ".venv-peers"
INSTALL_SECONDS = 900.0


def peers_python() -> Path:
    """Return the interpreter with the compared systems installed; the first call makes it.

    Raises:
        SystemExit: It could not be made; the message has what pip said.
    """
    python = FOLDER / "bin" / "python"
    mark = FOLDER / ".ready"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == wanted:
        return python
    print(f"installing the compared systems into {FOLDER} (a minute, once)", flush=True)
    mark.unlink(missing_ok=True)
    _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
    # The lock names every package. With dependencies, pip would also look at newer releases.
    _run(
        *(str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"),
        *("--require-hashes", "--no-deps", "--requirement", str(LOCK)),
    )
    mark.write_text(wanted)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    if done.returncode:
        raise SystemExit(
            f"ketlog: {' '.join(command[:4])} failed; put it right and run this again:\n"
            f"{done.stdout}{done.stderr}"
        )
