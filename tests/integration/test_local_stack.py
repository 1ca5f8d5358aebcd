"""The native stack as its users meet it: commands, real processes, other ports, its own folder."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from dotenv import dotenv_values

from infrastructure.local.__main__ import main
from infrastructure.local.install import MissingServerError, ensure_rabbitmq
from infrastructure.local.ports import LOOPBACK, free_ports, is_free
from infrastructure.local.settings import DEFAULT_PORTS
from tests.support import readme
from tests.support.waiting import eventually_sync

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Commands:
    """The commands behind the make targets, for one stack."""

    environment: dict[str, str]
    ports: dict[str, int]
    stack_dir: Path

    def __call__(self, *words: str, code: int | None = 0, **more: str) -> str:
        """Run one in this process, so that its coverage counts; what it printed."""
        output = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment | more, clear=True),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            answer = main(words)
        assert code in {None, answer}, output.getvalue()
        return output.getvalue()

    def program(self, *words: str) -> str:
        """Run one as a program of its own, for what other programs print."""
        outcome = subprocess.run(
            [sys.executable, "-m", "infrastructure.local", *words],
            check=True,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        return outcome.stdout

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['API_PORT']}"

    def health(self) -> dict[str, str]:
        with urllib.request.urlopen(f"{self.url}/health", timeout=10) as answer:
            health: dict[str, str] = json.load(answer)
        return health

    def pid(self, name: str) -> int:
        (line,) = [line for line in self("status", code=None).splitlines() if name in line.split()]
        return int(line.split("pid ")[1].split(",")[0])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """A stack with two workers, up and healthy; nothing is left of it afterwards."""
    try:
        ensure_rabbitmq(lambda _message: pytest.skip("RabbitMQ is not installed"))
    except MissingServerError as error:
        pytest.skip(str(error))
    ports = dict(zip(DEFAULT_PORTS, free_ports(4), strict=True))
    stack_dir = tmp_path_factory.mktemp("stack") / "a stack 100%"
    environment = {
        "PATH": os.environ["PATH"],
        "STACK": "native",
        "STACK_DIR": str(stack_dir),
        "LOG_LEVEL": "WARN",
        "POSTGRES_PASSWORD": "p@ss/w#rd %",
        "RABBITMQ_DEFAULT_PASS": 'a:b?/#"',
        **{name: str(port) for name, port in ports.items()},
    }
    commands = Commands(environment, ports, stack_dir)
    try:
        commands("up", WORKERS="2")
        yield commands
    finally:
        commands("clean")
    assert not stack_dir.exists()
    assert all(map(is_free, ports.values()))


def test_up_ends_when_all_is_healthy_and_says_how_to_reach_it(stack: Commands) -> None:
    assert stack.health()["status"] == "healthy"
    env = dotenv_values(stack.stack_dir / "env", interpolate=False)
    assert env["API_URL"] == f"http://{LOOPBACK}:{stack.ports['API_PORT']}"
    assert {
        "API_URL",
        "DATABASE_URL",
        "ADMIN_DATABASE_URL",
        "RABBITMQ_URL",
        "RABBITMQ_MANAGEMENT_URL",
    } <= set(env)
    status = stack("status")
    assert "worker-2" in status
    assert status.endswith("healthy\n")


def test_up_changes_nothing_when_all_is_up(stack: Commands) -> None:
    before = {name: stack.pid(name) for name in ("postgres", "api", "worker-2")}
    assert "2 workers" in stack("up", WORKERS="")
    assert {name: stack.pid(name) for name in before} == before


def test_the_database_has_its_schema_and_psql_shows_it(stack: Commands) -> None:
    assert "current_status" in stack.program("psql", "-c", r"\d tasks")
    assert "applied" in stack.program("migrate", "list")


def test_the_quickstart_of_the_readme_works_as_written(stack: Commands) -> None:
    port = stack.ports["API_PORT"]
    submit, look, health = readme.curl_commands()
    submitted = readme.run(submit.command, port)
    assert readme.shape(submitted) == readme.shape(submit.answer)
    shown_id, task_id = submit.answer["task_id"], submitted["task_id"]

    def task() -> Any:
        shown = readme.run(look.command.replace(shown_id, task_id), port)
        return {name: shown[name] for name in look.answer}

    eventually_sync(lambda: bool(task()["status"] == look.answer["status"]))
    assert readme.shape(task()) == readme.shape(look.answer)
    notes = [entry["notes"] for entry in look.answer["status_history"]]
    assert [entry["notes"] for entry in task()["status_history"]] == notes
    healthy = readme.run(health.command, port)
    assert healthy | {"timestamp": ""} == health.answer | {"timestamp": ""}
    newest, history, counts = (
        stack.program("psql", "-c", sql.replace("…", task_id)) for sql in readme.sql_statements()
    )
    assert task_id in newest
    assert "(3 rows)" in history
    assert "completed" in counts


def test_what_the_readme_breaks_comes_back(stack: Commands) -> None:
    submit, *_ = readme.curl_commands()
    port = stack.ports["API_PORT"]

    def status(task_id: str) -> Any:
        with urllib.request.urlopen(f"{stack.url}/tasks/{task_id}", timeout=10) as answer:
            return json.load(answer)["status"]

    commands = iter(readme.make_commands("Break it"))

    def run_next(expected: str) -> None:
        command = next(commands)
        assert command == expected
        _, verb, service = command.replace("SERVICE=", "").split()
        stack(verb, service)

    run_next("make stop SERVICE=postgres")
    refused = readme.run(submit.command, port)
    assert refused["status"] == HTTPStatus.SERVICE_UNAVAILABLE
    run_next("make start SERVICE=postgres")
    eventually_sync(lambda: "task_id" in readme.run(submit.command, port))
    run_next("make stop SERVICE=rabbitmq")
    eventually_sync(lambda: stack.health()["queue_status"] == "disconnected", within=10)
    assert stack.health()["status"] == "degraded"
    assert "rabbitmq: stopped" in stack("status", code=1)
    waiting = readme.run(submit.command, port)["task_id"]
    run_next("make start SERVICE=rabbitmq")
    # Waits until the workers, which nobody has restarted, consume again.
    stack("up")
    eventually_sync(lambda: bool(status(waiting) == "completed"))
    run_next("make stop SERVICE=worker")
    waiting = readme.run(submit.command, port)["task_id"]
    assert status(waiting) == "pending"
    run_next("make start SERVICE=worker")
    eventually_sync(lambda: bool(status(waiting) == "completed"), within=20)
    assert list(commands) == []


def test_a_process_that_crashes_is_started_again(stack: Commands) -> None:
    before = stack.pid("relay")
    os.kill(before, signal.SIGKILL)
    stack("up")
    assert stack.pid("relay") != before


def test_scaling_leaves_the_workers_that_stay_alone(stack: Commands) -> None:
    before = stack.pid("worker-1")
    stack("scale", "1")
    assert "worker-2" not in stack("status")
    assert stack.pid("worker-1") == before
    stack("scale", "2")
    assert "worker-2" in stack("status")


def test_logs_have_the_process_in_front(stack: Commands) -> None:
    lines = stack.program("logs", "postgres", "--follow", "no").splitlines()
    assert any("database system is ready" in line for line in lines)
    assert all(line.startswith("postgres | ") for line in lines)


def test_another_stack_on_the_same_port_is_refused_by_name(stack: Commands, tmp_path: Path) -> None:
    port = stack.ports["RABBITMQ_PORT"]
    others = dict(zip(DEFAULT_PORTS, free_ports(4), strict=True)) | {"RABBITMQ_PORT": port}
    output = stack(
        "up",
        code=1,
        STACK_DIR=str(tmp_path / "other"),
        **{name: str(number) for name, number in others.items()},
    )
    assert f"port {port} is taken" in output
    assert "RABBITMQ_PORT=" in output


@pytest.mark.parametrize("variable", ["POSTGRES_PASSWORD", "RABBITMQ_DEFAULT_PASS"])
def test_another_password_for_the_same_data_is_explained_and_harmless(
    stack: Commands, variable: str
) -> None:
    before = stack.pid("api")
    output = stack("up", code=1, **{variable: "changed"})
    assert variable in output
    assert "make clean" in output
    assert stack.pid("api") == before


def test_a_process_that_cannot_start_is_shown_with_the_end_of_its_log(stack: Commands) -> None:
    output = stack("up", code=1, MAX_REQUESTS_IN_FLIGHT="none")
    assert "api ended while it started" in output
    assert "MAX_REQUESTS_IN_FLIGHT: " in output
    stack("up")
