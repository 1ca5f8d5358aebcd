"""Fixtures of the integration tests."""

from tests.support.places import here, key, second_url, there
from tests.support.worker_places import dispatcher, processes

__all__ = ["dispatcher", "here", "key", "processes", "second_url", "there"]
