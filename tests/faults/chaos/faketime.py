"""Where libfaketime is, which gives a process a wrong wall clock."""

import os
from pathlib import Path

PLACES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
)


def find_faketime() -> str | None:
    """Return the library: `FAKETIME_LIB`, else where packages put it; `None` without it."""
    if chosen := os.environ.get("FAKETIME_LIB"):
        return chosen if Path(chosen).is_file() else None
    found = [path for place in PLACES for path in sorted(Path("/").glob(place[1:]))]
    return str(found[0]) if found else None
