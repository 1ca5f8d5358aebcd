"""Fixtures that every test may use: real servers, and in them a place of its own for each test."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests import servers

# Where a running stack's variables are in the shell, the tests must not act on that stack.
for _variable in ("ADMIN_DATABASE_URL", "SIGNING_KEY_FILE", "CHECKPOINT_SINK"):
    os.environ.pop(_variable, None)

# Watching lines doubles what a test costs, and these show nothing that the others do not: they
# repeat a few lines a million times, or run them in processes of their own.
_NOT_WATCHED = [Path(__file__).parent / folder for folder in ("end_to_end", "faults", "model")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests out of the coverage that add nothing to it."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in _NOT_WATCHED):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.DatabaseServer]:
    """One PostgreSQL server for the whole run."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[servers.BrokerServer]:
    """One RabbitMQ broker for the whole run."""
    with servers.rabbitmq() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: servers.DatabaseServer) -> Iterator[str]:
    """Name of a database with the whole schema and no rows, to be cloned."""
    from infrastructure.postgres.migrate import apply_migrations  # noqa: PLC0415 - unit tests need no database

    name = f"template_{secrets.token_hex(6)}"
    _create_database(postgres_server, name)
    apply_migrations(postgres_server.dsn(name))
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        # A template with sessions cannot be cloned.
        connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name))
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
    yield name
    _drop_database(postgres_server, name)


@pytest.fixture
def database_url(postgres_server: servers.DatabaseServer, migrated_template: str) -> Iterator[str]:
    """Connection string of the owner to a fresh database with the whole schema."""
    _make_sure_it_runs(postgres_server)
    name = f"test_{secrets.token_hex(6)}"
    _create_database(postgres_server, name, template=migrated_template)
    yield postgres_server.dsn(name)
    _make_sure_it_runs(postgres_server)
    _drop_database(postgres_server, name)


@pytest.fixture
def rabbitmq_vhost(rabbitmq_server: servers.BrokerServer) -> Iterator[str]:
    """Name of a fresh vhost in which the administrator may do everything."""
    _make_sure_it_runs(rabbitmq_server)
    name = f"test_{secrets.token_hex(6)}"
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    _manage(rabbitmq_server, "PUT", f"/api/vhosts/{name}")
    user = quote(rabbitmq_server.user, safe="")
    _manage(rabbitmq_server, "PUT", f"/api/permissions/{name}/{user}", everything)
    yield name
    _make_sure_it_runs(rabbitmq_server)
    _manage(rabbitmq_server, "DELETE", f"/api/vhosts/{name}")


@pytest.fixture
def rabbitmq_url(rabbitmq_server: servers.BrokerServer, rabbitmq_vhost: str) -> str:
    """Connection string to a fresh vhost."""
    return rabbitmq_server.vhost_url(rabbitmq_vhost)


def _make_sure_it_runs(server: servers.Server) -> None:
    """Undo what a test about faults may have left behind."""
    with contextlib.suppress(ProcessLookupError):
        server.resume()
    server.start()


def _create_database(
    server: servers.DatabaseServer, name: str, template: str = "template1"
) -> None:
    with psycopg.connect(server.admin_dsn, autocommit=True, connect_timeout=10) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )


def _drop_database(server: servers.DatabaseServer, name: str) -> None:
    with psycopg.connect(server.admin_dsn, autocommit=True, connect_timeout=10) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _manage(server: servers.BrokerServer, method: str, path: str, body: object = None) -> None:
    status, answer = server.manage(method, path, body)
    if status >= HTTPStatus.BAD_REQUEST and status != HTTPStatus.NOT_FOUND:
        raise RuntimeError(f"{method} {path} answered {status}: {answer.decode()}")
