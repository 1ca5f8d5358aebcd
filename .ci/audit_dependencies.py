"""Looks up known vulnerabilities of every package that the lock files pin.

`audit_dependencies.py LOCK …`: ends with 1 when there are some, and names them with the releases
that mend them. Where the advisory service cannot be asked, or does not know the packages, it says
so and ends with 0: a network that is away is no fault of the code.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

ACCEPTED: Final[Mapping[str, str]] = {}
"""Advisories that do not concern us, by id, and why."""
SECONDS: Final = 180
PROGRAM: Final = (sys.executable, "-m", "pip_audit")


def main(locks: Sequence[str], program: Sequence[str] = PROGRAM) -> int:
    """Audit, and print what was found; returns the exit code."""
    report, complaint = _ask(locks, program)
    if report is None:
        print(f"dependencies not audited: the advisory service cannot be asked ({complaint})")
        return 0
    dependencies = report["dependencies"]
    unknown = [each["name"] for each in dependencies if "skip_reason" in each]
    found = _vulnerabilities(dependencies)
    for line in found:
        print(line)
    audited = len(dependencies) - len(unknown)
    if not audited:
        print(f"dependencies not audited: the advisory service knows none of {len(unknown)}")
        return 0
    named = f", not known there: {', '.join(sorted(unknown))}" if unknown else ""
    print(f"{audited} dependencies audited, {len(found)} vulnerabilities{named}")
    return 1 if found else 0


def _ask(locks: Sequence[str], program: Sequence[str]) -> tuple[Any, str]:
    """Return pip-audit's report, or `None` and why there is none."""
    files = [word for lock in locks for word in ("--requirement", lock)]
    options = ("--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off")
    try:
        done = subprocess.run(
            [*program, *options, *files],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {SECONDS} s"
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"exit code {done.returncode}"


def _vulnerabilities(dependencies: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for each in dependencies:
        for vulnerability in each.get("vulns", ()):
            names = {vulnerability["id"], *vulnerability.get("aliases", ())}
            if names & ACCEPTED.keys():
                continue
            mended = ", ".join(vulnerability.get("fix_versions", ())) or "no release yet"
            lines.append(
                f"{each['name']} {each['version']}: {' '.join(sorted(names))}, mended in {mended}"
            )
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
