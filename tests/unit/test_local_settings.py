"""Choices about the local stack: `.env`, the environment, and what is refused."""

from pathlib import Path

import pytest

from infrastructure.local.settings import StackSettings, StackSettingsError, seen_from_here


def read(folder: Path, file: str = "", **environment: str) -> StackSettings:
    (folder / ".env").write_text(file)
    return StackSettings.read(folder, environment)


def test_without_any_choice_the_quickstart_holds(tmp_path: Path) -> None:
    settings = StackSettings.read(tmp_path, {})
    assert settings.endpoints() == {
        "API_URL": "http://127.0.0.1:8001",
        "DATABASE_URL": "postgresql://postgres:postgres@127.0.0.1:5432/quantum_tasks",
        "ADMIN_DATABASE_URL": "postgresql://postgres:postgres@127.0.0.1:5432/quantum_tasks",
        "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:5672/",
        "RABBITMQ_MANAGEMENT_URL": "http://127.0.0.1:15672",
    }
    assert settings.stack_dir == tmp_path / ".stack"
    assert settings.workers is None


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = read(tmp_path, "API_PORT=9001\nPOSTGRES_PORT=9002\n", API_PORT="9003")
    assert (settings.api_port, settings.postgres_port) == (9003, 9002)


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert read(tmp_path, "POSTGRES_DB=quanta\n", POSTGRES_DB="").postgres_db == "quantum_tasks"


def test_any_password_reaches_the_urls_and_the_servers(tmp_path: Path) -> None:
    settings = read(tmp_path, "POSTGRES_PASSWORD='p@ss/w#rd %'\nRABBITMQ_DEFAULT_PASS='a:b?c'\n")
    assert settings.postgres_password == "p@ss/w#rd %"
    assert "postgres:p%40ss%2Fw%23rd%20%25@127.0.0.1:5432/" in settings.database_url
    assert settings.rabbitmq_url == "amqp://guest:a%3Ab%3Fc@127.0.0.1:5672/"


def test_urls_of_another_stack_in_the_shell_are_ignored(tmp_path: Path) -> None:
    settings = read(tmp_path, DATABASE_URL="postgresql://elsewhere/db")
    assert "127.0.0.1:5432" in settings.database_url


def test_urls_of_the_file_are_used_and_plain(tmp_path: Path) -> None:
    file = "DATABASE_URL=postgresql+asyncpg://u:p@db.example/quanta\n"
    assert read(tmp_path, file).database_url == "postgresql://u:p@db.example/quanta"


def test_names_that_only_containers_know_become_local_addresses() -> None:
    assert seen_from_here("amqp://u:p@rabbitmq:5672/v", "rabbitmq", 9) == "amqp://u:p@127.0.0.1:9/v"
    assert seen_from_here("amqp://rabbitmq/", "rabbitmq", 9) == "amqp://127.0.0.1:9/"
    assert seen_from_here("amqps://mq.example/", "rabbitmq", 9) == "amqps://mq.example/"


def test_the_processes_get_their_variables_and_no_others(tmp_path: Path) -> None:
    settings = read(tmp_path, "LOG_LEVEL=WARN\n", MAX_SHOTS="7", EDITOR="ed", PORT="1", HOST="::")
    assert settings.variables == {"LOG_LEVEL": "WARN", "MAX_SHOTS": "7"}


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "80 80", "٣"])
def test_a_port_that_is_none_is_named(tmp_path: Path, port: str) -> None:
    with pytest.raises(StackSettingsError, match="RABBITMQ_PORT="):
        read(tmp_path, RABBITMQ_PORT=port)


def test_two_services_on_one_port_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StackSettingsError, match="API_PORT and POSTGRES_PORT are both 5432"):
        read(tmp_path, API_PORT="5432")


def test_an_unknown_kind_of_stack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackSettingsError, match="STACK=podman must be one of auto, native"):
        read(tmp_path, STACK="podman")


@pytest.mark.parametrize("workers", ["0", "65", "many"])
def test_a_number_of_workers_out_of_range_is_refused(tmp_path: Path, workers: str) -> None:
    with pytest.raises(StackSettingsError, match="WORKERS="):
        read(tmp_path, WORKERS=workers)
