"""Taskiq on RabbitMQ by taskiq-aio-pika, results in PostgreSQL by taskiq-postgres.

Its defaults are durable: quorum queues, persistent and confirmed messages, and a message is
acknowledged when the result is saved. The task is a plain function, run in a thread.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskiq.serializers import JSONSerializer
from taskiq_aio_pika import AioPikaBroker
from taskiq_pg.asyncpg import AsyncpgResultBackend

from bench.load import SHOTS, bell_circuit
from bench.peers.systems.circuit import run_circuit
from bench.peers.systems.system import System

broker = AioPikaBroker(os.environ["RABBITMQ_URL"]).with_result_backend(
    AsyncpgResultBackend(
        dsn=os.environ["DATABASE_URL"], field_for_task_id="Text", serializer=JSONSerializer()
    )
)
bell = broker.task(task_name="bell")(run_circuit)


class TaskiqSystem(System):
    """Taskiq's client."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connect; this also makes the table of the result backend."""
        await broker.startup()
        yield
        await broker.shutdown()

    async def submit(self, number: int) -> None:
        """Publish and wait for the broker's confirm."""
        await bell.kicker().with_task_id(str(number)).kiq(bell_circuit(number), SHOTS)
