"""Settings from the environment: what is accepted, and what the message says otherwise."""

import pytest

from infrastructure.settings import (
    DEFAULT_DATABASE_URL,
    ApiSettings,
    RelaySettings,
    Settings,
    SettingsError,
    WorkerSettings,
    read_settings,
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (ApiSettings, RelaySettings, WorkerSettings):
        for name in kind.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_every_spelling_of_a_database_url_is_read_as_one(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://me@here/it")
    assert read_settings(Settings).database_url == "postgresql://me@here/it"


@pytest.mark.parametrize("url", ["amqp://here", "amqps://here"])
def test_a_broker_is_spoken_to_in_amqp(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_URL", url)
    assert read_settings(Settings).rabbitmq_url == url


@pytest.mark.parametrize(
    ("given", "level"),
    [("debug", "DEBUG"), ("Info", "INFO"), ("warn", "WARNING"), ("fatal", "CRITICAL")],
)
def test_log_levels_may_be_written_as_elsewhere(
    given: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", given)
    assert read_settings(Settings).log_level == level


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert read_settings(Settings).database_url == DEFAULT_DATABASE_URL


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DATABASE_URL", "mysql://here", "must begin with postgresql://"),
        ("RABBITMQ_URL", "http://here", "must begin with amqp:// or amqps://"),
        ("LOG_LEVEL", "loud", "must be DEBUG, INFO, WARN, ERROR or CRITICAL"),
        ("DATABASE_POOL_SIZE", "1", "greater than or equal to 2"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "less than or equal to 1"),
        ("METRICS_PORT", "many", "valid integer"),
    ],
)
def test_a_bad_variable_is_named_with_what_is_wrong(
    name: str, value: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"  {name}: .*{complaint}"):
        read_settings(Settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_without_keys_the_api_serves_this_machine(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", host)
    assert read_settings(ApiSettings).auth == "off"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "api.example", "127.0.0.1.evil"])
def test_without_keys_the_api_serves_nobody_else_unless_forced(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", host)
    with pytest.raises(SettingsError, match=r"  AUTH: .*AUTH=off serves whoever .*AUTH=keys"):
        read_settings(ApiSettings)
    monkeypatch.setenv("AUTH_OFF_ANYWHERE", "true")
    assert read_settings(ApiSettings).host == host
    monkeypatch.setenv("AUTH_OFF_ANYWHERE", "false")
    monkeypatch.setenv("AUTH", "keys")
    assert read_settings(ApiSettings).host == host


def test_a_way_to_authenticate_that_does_not_exist_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH", "none")
    with pytest.raises(SettingsError, match="AUTH: Input should be 'off' or 'keys'"):
        read_settings(ApiSettings)


def test_all_bad_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv("MAX_SHOTS", "-1")
    with pytest.raises(SettingsError) as refused:
        read_settings(ApiSettings)
    lines = str(refused.value).splitlines()
    assert lines[0] == "ketlog cannot start, these variables have to be changed:"
    assert sorted(line.split(":")[0].strip() for line in lines[1:]) == ["MAX_SHOTS", "PORT"]


def test_a_refused_password_is_not_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:a-secret@here/it")
    with pytest.raises(SettingsError) as refused:
        read_settings(Settings)
    assert "a-secret" not in str(refused.value)


def test_a_worker_has_a_name_of_its_own_and_a_slot_at_least() -> None:
    settings = read_settings(WorkerSettings)
    assert settings.worker_id.rpartition("-")[2].isdigit()
    assert settings.worker_slots >= 1
