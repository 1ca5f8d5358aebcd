"""What schemathesis cannot know: well-formed requests that are refused for what they are about.

A schema says what a request looks like, not what was sent before it, whom a cursor was given to or
what time it is. Everything else that is refused although it fits the document is a failure.
No check is off: what is set aside here is written down, a line each, and shown at the end.
"""

import re
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

REFUSED_FOR_THEIR_SENSE = {
    "urn:ketlog:problem:idempotency-key-reused": None,
    "urn:ketlog:problem:circuit-not-drawable": None,
    "urn:ketlog:problem:invalid-request": {"not_before", "cursor"},
}
"""Types of problems, and which fields may be what is wrong; `None` for any."""
SET_ASIDE = "set-aside.txt"
"""Name of the file in the working directory that says what was set aside."""
_IN_A_BATCH = re.compile(r"^(tasks|bindings)\.\d+\.")
UNKNOWN_HEADER = "in header - object with unexpected properties"
"""How schemathesis calls a header that the document does not name: HTTP asks to ignore it."""


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Tell whether a failure counts."""
    reason = None
    if isinstance(failure, AcceptedNegativeData) and UNKNOWN_HEADER in failure.message:
        reason = "a header that the document does not name was ignored"
    elif isinstance(failure, RejectedPositiveData):
        reason = _makes_no_sense(response)
    if reason is None:
        return True
    with Path(SET_ASIDE).open("a") as file:
        file.write(f"{reason}\n")
    return False


def _makes_no_sense(response: Any) -> str | None:
    """Return what is wrong with the sense of a request, if that is why it was refused."""
    document = response.json()
    kind = document.get("type")
    if kind not in REFUSED_FOR_THEIR_SENSE:
        return None
    fields = REFUSED_FOR_THEIR_SENSE[kind]
    if fields is None:
        return str(kind)
    wrong = {_IN_A_BATCH.sub("", error["field"]) for error in document["errors"]}
    return f"{kind}: {', '.join(sorted(wrong))}" if wrong <= fields else None
