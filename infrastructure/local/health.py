"""Whether a stack does its work, asked from outside as its users would."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
import asyncpg

from domain.errors import StoreError
from domain.ports import Pause
from infrastructure.heartbeat import is_fresh
from infrastructure.local.settings import StackSettings
from infrastructure.local.terminal import UserError
from infrastructure.postgres.connect import Database
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.pauses import PostgresPauses

QUEUE = "quantum_tasks"


def api_problems(settings: StackSettings) -> list[str]:
    """What the API's own health answer has to say against it; empty when nothing."""
    try:
        with urllib.request.urlopen(f"{settings.api_url}/health", timeout=5) as answer:  # noqa: S310
            health = json.loads(answer.read())
    except (OSError, ValueError) as error:
        return [f"api: no answer at {settings.api_url}/health ({error})"]
    if health.get("status") == "healthy":
        return []
    return [
        f"api: {health.get('status')} (database {health.get('database_status')}, "
        f"queue {health.get('queue_status')})"
    ]


def heartbeat_problems(files: Iterable[Path]) -> list[str]:
    """Names of the processes whose heartbeat is missing or old."""
    return [f"{file.stem}: no heartbeat" for file in files if not is_fresh(file)]


def consumer_problems(rabbitmq_url: str, database_url: str, expected: int) -> list[str]:
    """Whether fewer than `expected` workers listen to the task queue or run something.

    A worker whose slots are all taken by long circuits asks for nothing, and is no consumer then.
    """
    try:
        present = asyncio.run(asyncio.wait_for(_count_consumers(rabbitmq_url), timeout=5))
    except aiormq.exceptions.ChannelNotFoundEntity:
        return [f"rabbitmq: there is no queue {QUEUE} yet"]
    except (OSError, aiormq.exceptions.AMQPError) as error:
        return [f"rabbitmq: no answer ({error!r})"]
    if present >= expected or present + _busy_workers(database_url) >= expected:
        return []
    return [f"worker: {present} of {expected} consumers on the queue {QUEUE}"]


def pause_notice(database_url: str) -> str | None:
    """What a user should know about dispatch; `None` while it goes on, or cannot be asked about."""
    try:
        pause = asyncio.run(_pause_in_force(database_url))
    except (StoreError, asyncpg.PostgresError):
        return None
    if pause is None:
        return None
    since = pause.paused_at.isoformat(sep=" ", timespec="seconds")
    return f"dispatch is paused since {since} ({pause.reason}): `make resume` ends that"


async def _pause_in_force(database_url: str) -> Pause | None:
    async with _database(database_url) as database:
        return await PostgresPauses(database).paused()


def _busy_workers(database_url: str) -> int:
    async def count() -> int:
        async with _database(database_url) as database:
            return await PostgresLeases(database).busy_workers()

    try:
        return asyncio.run(count())
    except (StoreError, asyncpg.PostgresError):
        return 0


@asynccontextmanager
async def _database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, size=1, application_name="ketlog status")
    try:
        yield database
    finally:
        await database.close()


async def _count_consumers(rabbitmq_url: str) -> int:
    # Not from the management API, whose numbers are up to 5 s old.
    connection = await aiormq.connect(rabbitmq_url)
    try:
        channel = await connection.channel()
        declared = await channel.queue_declare(QUEUE, passive=True)
        return declared.consumer_count or 0
    finally:
        await connection.close()


def wait_for_health(
    problems: Callable[[], list[str]], *, timeout: float, give_up: Callable[[], str | None]
) -> None:
    """Wait until nothing is wrong any more.

    Args:
        problems: What is wrong now.
        timeout: Seconds.
        give_up: Why it makes no sense to go on waiting, or `None`.

    Raises:
        UserError: Something is still wrong; the message says what.
    """
    deadline = time.monotonic() + timeout
    while found := problems():
        if reason := give_up():
            raise UserError(reason)
        if time.monotonic() > deadline:
            raise UserError(
                f"not healthy after {timeout:g} s:\n  " + "\n  ".join(found) + "\n"
                "`make logs` shows why; `make down` stops everything"
            )
        time.sleep(0.2)
