"""Whether a stack's workers do their work, asked from outside."""

import asyncio

from infrastructure.local.health import consumer_problems
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import Topology
from tests.support import tasks


async def declare(rabbitmq_url: str) -> None:
    """Make the queue, as the relay does."""
    publisher = Publisher(rabbitmq_url, "test", Topology())
    await publisher.open()
    await publisher.close()


async def problems(rabbitmq_url: str, database_url: str) -> list[str]:
    return await asyncio.to_thread(consumer_problems, rabbitmq_url, database_url, 1)


async def test_a_worker_that_is_not_there_is_missed(rabbitmq_url: str, database_url: str) -> None:
    await declare(rabbitmq_url)
    (problem,) = await problems(rabbitmq_url, database_url)
    assert "0 of 1 consumers" in problem


async def test_a_worker_that_is_all_taken_is_not_missed(
    rabbitmq_url: str, database_url: str
) -> None:
    await declare(rabbitmq_url)
    database = Database(database_url, size=1, application_name="test")
    await tasks.processing(PostgresEventLog(database), "busy")
    assert await problems(rabbitmq_url, database_url) == []
    await database.close()


async def test_a_lease_that_ran_out_excuses_nobody(rabbitmq_url: str, database_url: str) -> None:
    await declare(rabbitmq_url)
    database = Database(database_url, size=1, application_name="test")
    await tasks.processing(PostgresEventLog(database), "gone", lease=0.0)
    assert len(await problems(rabbitmq_url, database_url)) == 1
    await database.close()
