"""`python -m service.operate COMMAND …`: the operator's commands.

`DATABASE_URL` and `RABBITMQ_URL` say where the installation is. Ends with 0, or with 1 when nothing
could be done, and why.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import asyncpg

from domain.errors import KetlogError, StoreError
from infrastructure.postgres.census import PostgresCensus
from infrastructure.postgres.connect import Database, describe
from infrastructure.postgres.pauses import PostgresPauses
from infrastructure.settings import Settings, read_settings
from service.operate import pause
from service.operate.output import complain, say

NAME = "ketlog operate"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(options, read_settings(Settings)))
    except StoreError as error:
        complain(f"{error}. `make status` shows what runs, `make up` starts it.")
    except asyncpg.PostgresError as error:
        complain(f"PostgreSQL refuses: {describe(error)}. `make migrate` brings its schema up.")
    except KetlogError as error:
        complain(str(error))
    else:
        return 0
    return 1


async def _run(options: argparse.Namespace, settings: Settings) -> None:
    database = Database(settings.database_url, size=2, application_name=NAME)
    try:
        await _pause_or_resume(options, database)
    finally:
        await database.close()


async def _pause_or_resume(options: argparse.Namespace, database: Database) -> None:
    pauses = PostgresPauses(database)
    if options.command == "pause":
        await pause.pause(pauses, " ".join(options.reason), say)
    else:
        await pause.resume(pauses, say)
    paused = await pauses.paused() is not None
    say(pause.describe(await PostgresCensus(database).take(), paused=paused))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.operate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stop = commands.add_parser("pause", help="hand nothing more to workers")
    stop.add_argument("reason", nargs="*", metavar="REASON", help="shown to whoever wonders")
    commands.add_parser("resume", help="let dispatch go on")
    return parser


if __name__ == "__main__":
    sys.exit(main())
