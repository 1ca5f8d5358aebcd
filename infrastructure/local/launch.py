"""Becomes a program of the native stack: `launch.py ORDER`, where ORDER is a JSON file.

The supervisor runs this in front of every program, because it settles in one place what a line of
its configuration cannot say safely: an environment with any characters in it, the account, and
that the program ends when the supervisor dies without stopping it. It imports the standard
library alone and drops its rights itself, so it works where the account could not read it.
"""

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def become(order: Path) -> NoReturn:
    """Replace this process by the program that the file describes.

    Its keys: `command` (list), `environment` (object), `folder` (working directory), `account`
    (uid and gid, or null), `death_signal` (number sent when the supervisor dies).
    """
    wanted = json.loads(order.read_text())
    if wanted["account"] is not None:
        uid, gid = wanted["account"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of account, which would clear it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, wanted["death_signal"], 0, 0, 0)
    os.chdir(wanted["folder"])
    command = wanted["command"]
    os.execve(command[0], command, wanted["environment"])  # noqa: S606


if __name__ == "__main__":
    become(Path(sys.argv[1]))
