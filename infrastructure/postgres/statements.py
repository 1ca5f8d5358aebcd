"""The SQL of this package: each statement is a file in `queries/`, named for what it does."""

from functools import cache
from pathlib import Path

_DIRECTORY = Path(__file__).parent / "queries"


@cache
def statement(name: str) -> str:
    """Return the text of `queries/<name>.sql`."""
    return (_DIRECTORY / f"{name}.sql").read_text()
