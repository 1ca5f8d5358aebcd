"""The commands of the README, as they are written there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[2] / "README.md"
PORT = "localhost:8001"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^\$ ", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """A command, and the JSON that it is shown to print; `None` where nothing is shown."""

    command: str
    answer: Any


def curl_commands() -> list[Shown]:
    """Every call of the API that is shown, in order."""
    return [shown for shown in _commands() if shown.command.startswith("curl ")]


def make_commands(section: str) -> list[str]:
    """The `make` commands of a section, without their comments."""
    text = README.read_text().partition(f"\n### {section}\n")[2].partition("\n### ")[0]
    lines = (
        line.partition("#")[0].strip() for _, code in _fences(text) for line in code.split("\n")
    )
    return [line for line in lines if line.startswith("make ")]


def sql_statements() -> list[str]:
    """The queries that are shown."""
    return [
        line
        for kind, code in _fences(README.read_text())
        if kind == "sql"
        for line in code.splitlines()
    ]


def run(command: str, port: int) -> Any:
    """Run a command of the README against an API elsewhere; the JSON that it prints.

    Without jq, which only picks fields for the reader, all of them are returned.
    """
    if shutil.which("jq") is None:
        command = command.partition(" | jq ")[0]
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.replace(PORT, f'localhost:{port}')}"],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return json.loads(done.stdout)


def shape(value: Any) -> Any:
    """What a JSON value is made of: names and types, and of an array its first item."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def _commands() -> Iterator[Shown]:
    fences = list(_fences(README.read_text()))
    for number, (kind, code) in enumerate(fences):
        if _PROMPT.match(code):
            for part in _PROMPT.split(code)[1:]:
                command, answer = _split(part)
                yield Shown(command, json.loads(answer) if answer.startswith("{") else None)
        elif kind == "bash" and code.startswith("curl "):
            after = fences[number + 1] if number + 1 < len(fences) else ("", "")
            yield Shown(code.strip(), json.loads(after[1]) if after[0] == "json" else None)


def _split(part: str) -> tuple[str, str]:
    """Part what was typed, with its continued lines, from what was printed."""
    typed = re.match(r"(?:.*\\\n)*.*\n", part)
    assert typed is not None
    return typed[0].strip(), part[typed.end() :].strip()


def _fences(text: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in _FENCE.finditer(text)]
