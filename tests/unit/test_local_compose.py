"""What the commands tell Docker Compose, with a stand-in for `docker` that writes it down."""

import json
import os
from pathlib import Path

import pytest

from infrastructure.local import __main__ as commands
from infrastructure.local import compose
from infrastructure.local.compose import ComposeStack, engine_answers
from infrastructure.local.native import NativeStack
from infrastructure.local.ports import free_ports
from infrastructure.local.settings import DEFAULT_PORTS, StackSettings
from infrastructure.local.stack import SERVICES, LogOptions
from infrastructure.local.terminal import UserError

FAKE = """#!/bin/sh
printf '%s\\n' "$*" >>"$FAKE_DOCKER/calls"
env >"$FAKE_DOCKER/environment"
case "$*" in
  *"ps --format json") cat "$FAKE_DOCKER/containers" ;;
  *logs*) printf 'one\\ntwo\\n' ;;
esac
exit "$(cat "$FAKE_DOCKER/code")"
"""


class Docker:
    """The stand-in: what it answers and what it was told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "docker"
        program.write_text(FAKE)
        program.chmod(0o755)
        self.answer(0)
        self.runs()

    def answer(self, code: int) -> None:
        (self._folder / "code").write_text(str(code))

    def runs(self, *services: str, health: str = "healthy", form: str = "lines") -> None:
        entries = [
            {"Name": f"ketlog-{name}-1", "Service": name, "State": "running", "Health": health}
            for name in services
        ]
        text = json.dumps(entries) if form == "array" else "\n".join(map(json.dumps, entries))
        (self._folder / "containers").write_text(text)

    @property
    def calls(self) -> list[str]:
        """Commands that change or show something, without the questions about containers."""
        lines = (self._folder / "calls").read_text().splitlines()
        return [line for line in lines if not line.endswith("ps --format json")]

    @property
    def environment(self) -> str:
        return (self._folder / "environment").read_text()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(folder))
    monkeypatch.setattr(compose, "api_problems", lambda _settings: [])
    monkeypatch.setattr(compose, "consumer_problems", lambda _broker, _database, _expected: [])
    return Docker(folder)


@pytest.fixture
def settings(tmp_path: Path) -> StackSettings:
    ports = zip(DEFAULT_PORTS, map(str, free_ports(4)), strict=True)
    return StackSettings.read(tmp_path, {"STACK": "compose", **dict(ports)})


@pytest.fixture
def stack(docker: Docker, settings: StackSettings) -> ComposeStack:
    del docker
    return ComposeStack(settings)


def test_up_builds_starts_and_writes_the_addresses(
    stack: ComposeStack, docker: Docker, settings: StackSettings
) -> None:
    docker.runs(*SERVICES, "worker", form="array")
    stack.up()
    assert docker.calls == ["compose up -d --build --scale worker=2"]
    assert settings.api_url in (settings.stack_dir / "env").read_text()


def test_an_image_that_is_there_is_used_when_asked(docker: Docker, settings: StackSettings) -> None:
    docker.runs(*SERVICES)
    ComposeStack(settings, build=False).up()
    assert docker.calls == ["compose up -d --no-build --scale worker=1"]


def test_a_failed_command_ends_with_a_pointer_to_its_message(
    stack: ComposeStack, docker: Docker
) -> None:
    docker.answer(1)
    with pytest.raises(UserError, match="docker compose ps failed"):
        stack.up()


def test_a_taken_port_is_named_before_anything_starts(
    docker: Docker, settings: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "is_free", lambda port: port != settings.postgres_port)
    with pytest.raises(UserError, match="POSTGRES_PORT="):
        ComposeStack(settings).up()
    assert docker.calls == []


def test_down_keeps_the_data_and_clean_removes_it(
    stack: ComposeStack, docker: Docker, settings: StackSettings
) -> None:
    stack.down()
    stack.clean()
    assert docker.calls == [
        "compose --profile tracing down --remove-orphans",
        "compose --profile tracing down --volumes --remove-orphans",
    ]
    assert not settings.stack_dir.exists()


def test_one_service_is_stopped_started_and_scaled(stack: ComposeStack, docker: Docker) -> None:
    docker.runs(*SERVICES)
    stack.restart("rabbitmq")
    stack.scale(3)
    assert docker.calls == [
        "compose stop rabbitmq",
        "compose start rabbitmq",
        "compose up -d --no-build --no-recreate --no-deps --scale worker=3 worker",
    ]


def test_status_says_what_is_wrong(
    stack: ComposeStack, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.runs("postgres", "rabbitmq", "api", "relay", health="unhealthy")
    assert not stack.status()
    output = capsys.readouterr().out
    assert "ketlog-api-1: unhealthy" in output
    assert "worker: no container runs" in output
    docker.runs(*SERVICES)
    assert stack.status()


def test_logs_follow_or_end(stack: ComposeStack, docker: Docker) -> None:
    stack.logs(LogOptions(service=None, follow=True, containing=""))
    stack.logs(LogOptions(service="api", follow=False, containing=""))
    assert docker.calls == [
        "compose --profile tracing logs --follow --tail=100",
        "compose --profile tracing logs api",
    ]


def test_programs_run_in_the_containers(stack: ComposeStack, docker: Docker) -> None:
    docker.answer(3)
    assert stack.psql(["-c", "select 1"]) == 3
    assert stack.migrate(["rollback", "--force"]) == 3
    assert docker.calls == [
        "compose exec -T postgres psql -U postgres -d quantum_tasks -c select 1",
        "compose run --rm -T migrate rollback --force",
    ]


def test_addresses_of_another_stack_do_not_reach_the_containers(
    stack: ComposeStack, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/x")
    stack.down()
    assert "elsewhere" not in docker.environment


def test_a_second_stack_of_the_same_checkout_is_another_project(
    docker: Docker, tmp_path: Path
) -> None:
    settings = StackSettings.read(tmp_path, {"STACK_DIR": ".stack two"})
    ComposeStack(settings).stop("api")
    assert docker.calls[0].startswith("compose -p ")
    assert docker.calls[0].endswith("-stack-two stop api")


def test_the_stack_is_chosen_by_the_user_or_by_what_there_is(
    docker: Docker, tmp_path: Path
) -> None:
    def chosen(**environment: str) -> type:
        return type(commands.choose_stack(StackSettings.read(tmp_path, environment)))

    assert engine_answers()
    assert chosen() is ComposeStack
    assert chosen(STACK="native") is NativeStack
    docker.answer(1)
    assert not engine_answers()
    assert chosen() is NativeStack
    assert chosen(STACK="compose") is ComposeStack


def test_native_servers_are_not_installed_for_tests_in_containers(
    docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(commands, "ensure_rabbitmq", lambda _say: asked.append("native"))
    monkeypatch.delenv("TEST_RABBITMQ_URL", raising=False)
    for choice, expected in (("containers", 0), ("auto", 0), ("native", 1)):
        monkeypatch.setenv("TEST_SERVERS", choice)
        assert commands.main(["servers"]) == 0
        assert len(asked) == expected
    docker.answer(1)
    monkeypatch.setenv("TEST_SERVERS", "auto")
    assert commands.main(["servers"]) == 0
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stop"], "which one"),
        (["stop", "epmd"], "SERVICE=epmd"),
        (["scale", "none"], "how many"),
    ],
)
def test_a_command_that_lacks_something_says_what(
    docker: Docker, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert commands.main(words) == 1
    assert message in capsys.readouterr().err
    assert all("stop" not in call and "scale" not in call for call in docker.calls)
