"""Dramatiq on RabbitMQ. Its result backends are Redis and Memcached: the actor stores the result.

From its documentation: `confirm_delivery`, so that a publish waits for the broker. Messages are
persistent and acknowledged after the actor by default, and the prefetch is its default.
"""

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.load import SHOTS, bell_circuit
from bench.peers.systems import results
from bench.peers.systems.circuit import run_circuit
from bench.peers.systems.system import BlockingSystem

dramatiq.set_broker(RabbitmqBroker(url=os.environ["RABBITMQ_URL"], confirm_delivery=True))


def _bell(number: int, text: str, shots: int) -> None:
    results.store(number, run_circuit(text, shots))


bell = dramatiq.actor(_bell, actor_name="bell")


class DramatiqSystem(BlockingSystem):
    """Dramatiq's client."""

    def install(self) -> None:
        """Make the table for the results."""
        results.make_table()

    def submit_now(self, number: int) -> None:
        """Publish and wait for the broker's confirm."""
        bell.send(number, bell_circuit(number), SHOTS)
