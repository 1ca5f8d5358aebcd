"""A simulator process that does what the circuit's text tells it, for tests of the pool.

`say CODE` answers with a failure of that code, `hang` never answers, `exit STATUS` and
`signal NUMBER` end the process, `babble` sends bytes that are no message, `retire CODE` answers
and asks to be replaced.
"""

import json
import os
import signal
import socket
import sys

from domain.execution import RunFailed
from domain.run_json import outcome_to_json
from infrastructure.quantum.child import Inbox, ParentGone
from infrastructure.quantum.frames import frame
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.sandbox import tie_to_parent


def obey(connection: socket.socket, token: int, text: str) -> None:
    """Do what the text says."""
    verb, _, argument = text.partition(" ")
    if verb == "hang":
        signal.pause()
    elif verb == "exit":
        os._exit(int(argument))
    elif verb == "signal":
        os.kill(os.getpid(), int(argument))
    elif verb == "babble":
        connection.sendall(b"\xff" * 8)
    else:
        outcome = outcome_to_json(RunFailed(argument, f"pid {os.getpid()}"))
        answer = {"token": token, "outcome": outcome, "peak": 4096}
        connection.sendall(frame({**answer, "retires": True} if verb == "retire" else answer))


def main() -> None:
    """Serve until the pool is gone."""
    _, connection_fd, tickets_fd, parent, limits = sys.argv
    EngineLimits.from_json(json.loads(limits))
    tie_to_parent(int(parent))
    connection = socket.socket(fileno=int(connection_fd))
    connection.sendall(frame({"ready": {"pid": os.getpid()}}))
    inbox = Inbox(connection, int(tickets_fd))
    try:
        while True:
            message = inbox.next()
            obey(connection, message["token"], message["request"]["circuit"])
    except ParentGone:
        return


if __name__ == "__main__":
    main()
