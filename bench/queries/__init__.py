"""Statements of the benchmark, each in a file of its own."""

from pathlib import Path


def query(name: str) -> str:
    """Return a statement by its file's name."""
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")
