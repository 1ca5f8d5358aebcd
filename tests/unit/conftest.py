"""Fixtures of the unit tests."""

from tests.support.worker_scene import scene

__all__ = ["scene"]
