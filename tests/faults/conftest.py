"""Fixtures of the tests about faults."""

from tests.support.worker_places import dispatcher, processes

__all__ = ["dispatcher", "processes"]
