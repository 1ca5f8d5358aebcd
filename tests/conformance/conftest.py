"""Fixtures of the conformance tests."""

from tests.support.stores import store

__all__ = ["store"]
