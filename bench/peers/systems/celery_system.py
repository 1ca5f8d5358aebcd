"""Celery on RabbitMQ, results in PostgreSQL by its own database backend.

From its user guide: late acknowledgement, a message is rejected when its process is lost, a task
that is delivered again and has a result is not run again, publishes are confirmed, a quorum queue,
and a larger prefetch because the tasks are short. Messages are persistent by default.
"""

import os

from celery import Celery

from bench.load import SHOTS, bell_circuit
from bench.peers.systems.circuit import run_circuit
from bench.peers.systems.system import BlockingSystem

_DATABASE = os.environ["DATABASE_URL"].partition("://")[2]

app = Celery(
    "bench", broker=os.environ["RABBITMQ_URL"], backend=f"db+postgresql+psycopg://{_DATABASE}"
)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_deduplicate_successful_tasks=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "64")),
    broker_transport_options={"confirm_publish": True},
    broker_pool_limit=40,
    broker_connection_retry_on_startup=True,
    task_default_queue_type="quorum",
    task_create_missing_queues=True,
    worker_detect_quorum_queues=True,
)

bell = app.task(name="bell")(run_circuit)


class CelerySystem(BlockingSystem):
    """Celery's client."""

    def install(self) -> None:
        """Make the tables of the result backend."""
        app.backend.ResultSession().close()

    def submit_now(self, number: int) -> None:
        """Publish and wait for the broker's confirm."""
        bell.apply_async((bell_circuit(number), SHOTS), task_id=str(number))
