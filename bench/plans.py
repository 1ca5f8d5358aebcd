"""Plans of statements, out of the log of a PostgreSQL server with auto_explain."""

import re
from collections.abc import Iterator

from bench.machine import CHECKOUT

_QUERIES = CHECKOUT / "infrastructure" / "postgres" / "queries"
_PLAN = re.compile(r"duration: ([0-9.]+) ms  plan:\n((?:\t.*\n?)+)")


def plans(log: str) -> str:
    """Return the slowest plan seen of each of the project's statements, with how many were seen."""
    slowest: dict[str, tuple[float, str]] = {}
    seen: dict[str, int] = {}
    for milliseconds, text in _explained(log):
        name = _name(text)
        if name is None:
            continue
        seen[name] = seen.get(name, 0) + 1
        if name not in slowest or milliseconds > slowest[name][0]:
            slowest[name] = milliseconds, text
    return "\n\n".join(
        f"=== {name}.sql: the slowest of {seen[name]} plans, {milliseconds} ms\n{_tree(text)}"
        for name, (milliseconds, text) in sorted(slowest.items())
    )


def _explained(log: str) -> Iterator[tuple[float, str]]:
    for found in _PLAN.finditer(log):
        yield float(found[1]), "\n".join(line.removeprefix("\t") for line in found[2].splitlines())


def _name(text: str) -> str | None:
    """Find the file whose text the statement is; `None` for one that is not in a file."""
    asked = " ".join(text.removeprefix("Query Text: ").split())
    for name, statement in _STATEMENTS.items():
        if asked.startswith(statement):
            return name
    return None


def _tree(text: str) -> str:
    """Return the plan without the statement's text."""
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if "(cost=" in line), 0)
    return "\n".join(lines[first:])


_STATEMENTS = {
    file.stem: " ".join(file.read_text(encoding="utf-8").split())
    for file in sorted(_QUERIES.glob("*.sql"))
}
