"""What happens when RabbitMQ is missing."""

import os
import shutil
from pathlib import Path

import pytest

from infrastructure.local import install, rabbitmq
from infrastructure.local.install import MissingServerError, ensure_rabbitmq


def missing() -> Path:
    raise FileNotFoundError("no RabbitMQ: install it with `apt-get install rabbitmq-server`")


def unused(message: str) -> None:
    raise AssertionError(message)


def test_nothing_is_done_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "installed_server", lambda: Path("/there"))
    monkeypatch.setattr(install, "_run", unused)
    ensure_rabbitmq(unused)


def test_a_normal_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "installed_server", missing)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingServerError, match="apt-get install rabbitmq-server"):
        ensure_rabbitmq(unused)


def test_root_gets_it_installed_without_a_service_being_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-rc.d"
    commands: list[str] = []
    present: list[Path] = []

    def run(*command: str) -> None:
        commands.append(" ".join(command))
        assert policy.read_text() == "#!/bin/sh\nexit 101\n"
        assert os.access(policy, os.X_OK)
        if "install" in command:
            present.append(Path("/there"))

    monkeypatch.setattr(install, "installed_server", lambda: present[0] if present else missing())
    monkeypatch.setattr(install, "_POLICY", policy)
    monkeypatch.setattr(install, "_run", run)
    monkeypatch.setattr(install, "_disable_services", lambda: commands.append("disable"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    said: list[str] = []
    ensure_rabbitmq(said.append)
    assert commands[-2].endswith("install --no-install-recommends rabbitmq-server")
    assert commands[-1] == "disable"
    assert not policy.exists()
    assert "installing RabbitMQ" in said[0]


def test_a_policy_of_the_machine_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs")
    monkeypatch.setattr(install, "_POLICY", policy)
    with install._no_service_starts():
        assert policy.read_text() == "theirs"
    assert policy.read_text() == "theirs"


def test_a_failed_installation_shows_its_output() -> None:
    with pytest.raises(MissingServerError, match="no such package"):
        install._run("sh", "-c", "echo no such package; exit 100")


def test_any_password_can_be_the_brokers(tmp_path: Path) -> None:
    server = rabbitmq.RabbitMQServer(
        tmp_path, port=1, management_port=2, distribution_port=3, epmd_port=4, password='#"é'
    )
    assert "{default_pass, <<35,34,195,169>>}" in server._credential_terms()
