"""The last resort of a process that was told to end."""

import os
import threading


def leave_after(seconds: float) -> None:
    """End the process when closing takes longer than this.

    Whatever has to be in the log by then is there, or is found again by its outbox row or lease.
    """
    timer = threading.Timer(seconds, os._exit, args=(0,))
    timer.daemon = True
    timer.start()
