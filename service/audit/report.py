"""What the auditor's commands print: findings as they come, then a verdict."""

import sys
from collections import Counter

from service.audit.findings import Finding, Kind

SHOWN_OF_A_KIND = 20
NOTHING_WRONG, SOMETHING_WRONG, CANNOT_LOOK = 0, 1, 2


class Report:
    """Prints findings, of each kind only the first few.

    Args:
        show_all: print all of them.
    """

    def __init__(self, *, show_all: bool = False) -> None:
        self._limit = sys.maxsize if show_all else SHOWN_OF_A_KIND
        self.found: Counter[Kind] = Counter()

    def show(self, finding: Finding) -> None:
        """Print a finding, or count it."""
        self.found[finding.kind] += 1
        if self.found[finding.kind] <= self._limit:
            say(str(finding))

    def conclude(self, all_is_well: str) -> int:
        """Print the verdict; returns the exit code."""
        for kind, count in self.found.items():
            if count > self._limit:
                say(f"{kind.upper()}: {count - self._limit:,} more (--all shows them)")
        if not self.found:
            say(f"OK: {all_is_well}")
            return NOTHING_WRONG
        counts = ", ".join(f"{kind} ({count:,})" for kind, count in self.found.items())
        say(f"NOT OK: {counts}.")
        return SOMETHING_WRONG


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line on the error output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
