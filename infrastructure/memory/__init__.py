"""Twins of the stores that live in memory: the same behaviour, for tests and for reading."""

from infrastructure.memory.store import MemoryStore

__all__ = ["MemoryStore"]
