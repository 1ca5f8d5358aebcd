"""`python -m service.operate COMMAND …`: the operator's commands.

`DATABASE_URL` and `RABBITMQ_URL` say where the installation is; keys are made by the owner of the
database, `ADMIN_DATABASE_URL` if there is one. Ends with 0, or with 1 when nothing
could be done, and why.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

import asyncpg
from rich.console import Console

from domain.errors import BrokerUnavailable, KetlogError, StoreError
from domain.ports import EventLog
from infrastructure.dead_letters import DeadLetterBox
from infrastructure.postgres.census import PostgresCensus
from infrastructure.postgres.connect import Database, describe
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.keys import key_ring
from infrastructure.postgres.pauses import PostgresPauses
from infrastructure.rabbitmq.dead_letters import DeadLetterQueue
from infrastructure.settings import Settings, read_settings
from service.audit.owner import owner_url
from service.operate import dead_letters, keys, pause
from service.operate.output import complain, note, say

NAME = "ketlog operate"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command in keys.COMMANDS:
            asyncio.run(_look_after_keys(options, owner_url()))
        else:
            asyncio.run(_run(options, read_settings(Settings)))
    except (StoreError, BrokerUnavailable) as error:
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
    box = DeadLetterQueue(settings.rabbitmq_url, NAME)
    try:
        if options.command in {"pause", "resume"}:
            await _pause_or_resume(options, database)
        else:
            await _look_after_letters(options, box, PostgresEventLog(database))
    finally:
        await box.close()
        await database.close()


async def _look_after_keys(options: argparse.Namespace, owner_dsn: str) -> None:
    async with key_ring(owner_dsn, NAME) as ring:
        await keys.run(options, ring, say, note)


async def _pause_or_resume(options: argparse.Namespace, database: Database) -> None:
    pauses = PostgresPauses(database)
    if options.command == "pause":
        await pause.pause(pauses, " ".join(options.reason), say)
    else:
        await pause.resume(pauses, say)
    paused = await pauses.paused() is not None
    say(pause.describe(await PostgresCensus(database).take(), paused=paused))


async def _look_after_letters(
    options: argparse.Namespace, box: DeadLetterBox, event_log: EventLog
) -> None:
    if options.command == "requeue":
        await dead_letters.requeue(box, event_log, options.id.strip(), say)
    elif options.command == "discard":
        await dead_letters.discard(box, event_log, options.id.strip(), say)
    else:
        found = await dead_letters.list_letters(box, event_log)
        if options.json:
            say(json.dumps([dead_letters.as_json(judgement) for judgement in found], indent=1))
        elif found:
            dead_letters.show_table(Console(highlight=False), found)
        else:
            say("There are no dead letters.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.operate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stop = commands.add_parser("pause", help="hand nothing more to workers")
    stop.add_argument("reason", nargs="*", metavar="REASON", help="shown to whoever wonders")
    commands.add_parser("resume", help="let dispatch go on")
    listing = commands.add_parser("dead-letters", help="list the dead letters; all of them stay")
    listing.add_argument("--json", action="store_true", help="for programs")
    for name, purpose in (
        ("requeue", "have another message sent for a pending task, and remove its letters"),
        ("discard", "remove a letter that nobody can use"),
    ):
        one = commands.add_parser(name, help=purpose)
        one.add_argument("id", metavar="ID", help="id of the message or of the task")
    keys.add_parsers(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
