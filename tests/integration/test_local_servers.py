"""Private servers: started, stopped, killed, frozen, and gone with whoever started them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.install import MissingServerError, ensure_rabbitmq
from infrastructure.local.ports import free_port, free_ports, is_free
from infrastructure.local.postgres import PostgresServer, copy_programs, installed_programs
from infrastructure.local.process import descendants
from infrastructure.local.rabbitmq import RabbitMQServer
from tests.support.waiting import eventually_sync

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def guardian() -> Iterator[Guardian]:
    with Guardian() as guardian:
        yield guardian


@pytest.fixture(scope="module")
def root(guardian: Guardian) -> Path:
    """A folder that the servers' account reaches, unlike pytest's own below it."""
    folder = ServerAccount.current().make_reachable_root("ketlog-test-")
    guardian.remove_at_end(folder)
    return folder


@pytest.fixture(scope="module")
def server(root: Path, guardian: Guardian) -> PostgresServer:
    return PostgresServer(root / "postgres", free_port(), password="it's #1", guardian=guardian)


@pytest.fixture
def postgres(server: PostgresServer) -> PostgresServer:
    """The server, running."""
    server.start()
    return server


def write_row(server: PostgresServer) -> None:
    with psycopg.connect(server.admin_dsn) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def count_rows(server: PostgresServer) -> int:
    with psycopg.connect(server.admin_dsn, connect_timeout=5) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_postgres_keeps_what_was_committed(postgres: PostgresServer, ending: str) -> None:
    write_row(postgres)
    with psycopg.connect(postgres.admin_dsn) as left_open:
        getattr(postgres, ending)()
        assert not postgres.running
        assert not postgres.answers()
        with pytest.raises(psycopg.OperationalError):
            left_open.execute("SELECT 1")
    postgres.start()
    assert count_rows(postgres) == 1


def test_a_frozen_postgres_keeps_its_connections(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.admin_dsn) as connection:
        postgres.pause()
        assert not postgres.answers()
        postgres.resume()
        postgres.wait_ready()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_postgres_does_not_run_as_root(postgres: PostgresServer) -> None:
    assert postgres._process is not None
    assert postgres._process.pid is not None
    assert Path(f"/proc/{postgres._process.pid}").stat().st_uid != 0


def test_a_wrong_password_is_told_from_silence(postgres: PostgresServer) -> None:
    other = PostgresServer(postgres.root, postgres.port, password="other")
    assert postgres.accepts_login()
    assert other.answers()
    assert not other.accepts_login()


def test_a_database_is_made_once(postgres: PostgresServer) -> None:
    postgres.ensure_database("quantum tasks")
    postgres.ensure_database("quantum tasks")
    with psycopg.connect(postgres.dsn("quantum tasks")) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("quantum tasks",)


def test_programs_work_where_they_were_copied_to(root: Path) -> None:
    bin_folder = copy_programs(installed_programs(), root / "programs")
    assert copy_programs(installed_programs(), root / "programs") == bin_folder
    version = subprocess.run(
        [bin_folder / "psql", "--version"], check=True, capture_output=True, text=True
    )
    assert version.stdout.startswith("psql (PostgreSQL)")


def test_rabbitmq_comes_back_after_a_kill_and_ends_with_its_port_mapper(
    root: Path, guardian: Guardian
) -> None:
    try:
        ensure_rabbitmq(lambda _message: pytest.skip("RabbitMQ is not installed"))
    except MissingServerError as error:
        pytest.skip(str(error))
    ports = free_ports(4)
    server = RabbitMQServer(
        root / "rabbitmq",
        port=ports[0],
        management_port=ports[1],
        distribution_port=ports[2],
        epmd_port=ports[3],
        password='p#"é',
        guardian=guardian,
    )
    server.start()
    assert server.accepts_login()
    assert server.manage("PUT", "/api/vhosts/kept")[0] == 201
    server.kill()
    assert not server.answers()
    server.start()
    status, answer = server.manage("GET", "/api/vhosts/kept")
    assert (status, json.loads(answer)["name"]) == (200, "kept")
    server.kill()
    server.stop()
    assert all(map(is_free, ports))


def test_servers_and_folders_go_when_their_owner_is_killed() -> None:
    script = (
        "import sys, time\n"
        "from infrastructure.local.account import ServerAccount\n"
        "from infrastructure.local.guardian import Guardian\n"
        "from infrastructure.local.ports import free_port\n"
        "from infrastructure.local.postgres import PostgresServer\n"
        "guardian = Guardian()\n"
        "root = ServerAccount.current().make_reachable_root('ketlog-test-')\n"
        "guardian.remove_at_end(root)\n"
        "server = PostgresServer(root / 'postgres', free_port(), guardian=guardian)\n"
        "server.start()\n"
        "print(root, server.port, flush=True)\n"
        "sys.stdin.read()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    folder, port = owner.stdout.readline().split()
    below = descendants(owner.pid)
    assert len(below) > 2
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate(timeout=20)
    eventually_sync(lambda: not Path(folder).exists(), within=20)
    eventually_sync(lambda: is_free(int(port)), within=20)
    eventually_sync(lambda: not any(map(_runs, below)), within=20)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
