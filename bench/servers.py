"""Private servers and processes for the measurements; all of them end with the program."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import free_port, free_ports
from infrastructure.local.postgres import PostgresServer
from infrastructure.local.rabbitmq import RabbitMQServer
from infrastructure.postgres.migrate import apply_migrations

DATABASE = "quantum_tasks"


def private_servers(stack: ExitStack) -> tuple[str, RabbitMQServer]:
    """Start PostgreSQL, with the schema and `fsync` on, and RabbitMQ.

    Returns:
        the database's URL, and the broker.
    """
    guardian = stack.enter_context(Guardian())
    account = ServerAccount.current()
    roots = [account.make_reachable_root(f"ketlog-bench-{name}-") for name in ("pg", "rabbit")]
    for root in roots:
        guardian.remove_at_end(root)
    postgres = PostgresServer(roots[0], free_port(), guardian=guardian)
    postgres.start()
    stack.callback(postgres.kill)
    postgres.ensure_database(DATABASE)
    dsn = postgres.dsn(DATABASE)
    apply_migrations(dsn)
    amqp, management, distribution, epmd = free_ports(4)
    rabbitmq = RabbitMQServer(
        roots[1],
        port=amqp,
        management_port=management,
        distribution_port=distribution,
        epmd_port=epmd,
        guardian=guardian,
    )
    rabbitmq.start()
    stack.callback(rabbitmq.kill)
    return dsn, rabbitmq


@contextmanager
def process(module: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of ketlog's processes."""
    running = subprocess.Popen([sys.executable, "-m", module], env=environment)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)
