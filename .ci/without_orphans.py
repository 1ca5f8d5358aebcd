"""Runs a command and sees to it that none of its processes outlives it.

`without_orphans.py COMMAND …`: the exit code is the command's, or 1 when a process was left behind;
such processes are named and killed. The kernel hands every orphan below this process to it
(PR_SET_CHILD_SUBREAPER), whatever session or group it has moved to.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SECONDS_TO_END = 10.0


def _children() -> dict[int, str]:
    """The processes below this one that have not ended, with their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    found: dict[int, str] = {}
    pending = [os.getpid()]
    while pending:
        above = pending.pop()
        for pid in [pid for pid, parent in parents.items() if parent == above]:
            pending.append(pid)
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                found[pid] = b" ".join(words).decode(errors="replace").strip()
    return found


def _run(command: list[str]) -> int:
    """Wait for the command, and meanwhile bury the orphans, which would stay as zombies."""
    process = subprocess.Popen(command)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == process.pid:
            return os.waitstatus_to_exitcode(status)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main(command: list[str]) -> int:
    """Run the command; returns the exit code of this program."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    code = _run(command)
    deadline = time.monotonic() + _SECONDS_TO_END
    while (left := _children()) and time.monotonic() < deadline:
        _reap()
        time.sleep(0.1)
    for pid, line in left.items():
        sys.stderr.write(f"left behind and killed: {pid} {line}\n")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return code or (1 if left else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
