"""Fixtures of the integration tests."""

from tests.support.places import here, key, second_url, there

__all__ = ["here", "key", "second_url", "there"]
