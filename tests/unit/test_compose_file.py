"""compose.yaml, .env.example and the settings name the same variables."""

import re
from pathlib import Path

import pytest

from infrastructure.local.settings import DEFAULT_PORTS, process_variables

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()

# Set by the stack for each process, not by the user.
_NOT_CHOSEN = {"HOST", "HEARTBEAT_FILE", "WORKER_ID"}
_SERVERS = {
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
    "RABBITMQ_DEFAULT_USER",
    "RABBITMQ_DEFAULT_PASS",
}


@pytest.mark.parametrize("name", sorted({*process_variables()} - {"WORKER_ID"}))
def test_every_setting_reaches_the_containers(name: str) -> None:
    environment = COMPOSE.partition("x-environment:")[2].partition("\nservices:")[0]
    assert re.search(rf"^  {name}:", environment, re.MULTILINE)


@pytest.mark.parametrize(
    "name", sorted(({*process_variables()} - _NOT_CHOSEN) | _SERVERS | set(DEFAULT_PORTS))
)
def test_every_variable_is_in_the_example(name: str) -> None:
    assert re.search(rf"^# {name}=", EXAMPLE, re.MULTILINE)


def test_the_example_changes_nothing_as_it_stands() -> None:
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_defaults_are_the_same_in_both() -> None:
    in_example = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", COMPOSE):
        assert in_example[name] == default, name


def test_ports_are_published_on_the_loopback_interface_alone() -> None:
    published = re.findall(r'"([^"]*):\d+"|"(127[^"]*PORT[^"]*)"', COMPOSE)
    mappings = [first or second for first, second in published if "PORT" in first + second]
    assert len(mappings) == 5
    assert all(mapping.startswith("127.0.0.1:") for mapping in mappings)
