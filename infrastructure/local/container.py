"""Entry point of the containers: makes the two URLs from their parts, then becomes the program.

`compose.yaml` hands the same users, passwords and names to the servers and to this. Only here can a
password with any characters in it be put into a URL. A URL that is set already is left alone.
"""

import os
import sys
from collections.abc import Mapping
from urllib.parse import quote


def urls(environment: Mapping[str, str]) -> dict[str, str]:
    """The connection strings that the environment does not set, by variable name."""

    def part(name: str, default: str) -> str:
        return quote(environment.get(name) or default, safe="")

    database = (
        f"postgresql://{part('POSTGRES_USER', 'postgres')}:"
        f"{part('POSTGRES_PASSWORD', 'postgres')}@postgres:5432/"
        f"{part('POSTGRES_DB', 'quantum_tasks')}"
    )
    broker = (
        f"amqp://{part('RABBITMQ_DEFAULT_USER', 'guest')}:"
        f"{part('RABBITMQ_DEFAULT_PASS', 'guest')}@rabbitmq:5672/"
    )
    made = {"DATABASE_URL": database, "RABBITMQ_URL": broker}
    if environment.get("TEST_ON_THE_STACK"):
        made |= {"TEST_DATABASE_URL": database, "TEST_RABBITMQ_URL": broker}
    return {name: url for name, url in made.items() if not environment.get(name)}


def main(command: list[str]) -> None:
    """Replace this process, so that the program is the one that gets the container's signals."""
    if not command:
        raise SystemExit("which program? python -m infrastructure.local.container PROGRAM …")
    os.execvpe(command[0], command, {**os.environ, **urls(os.environ)})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
