"""The table for the results of systems that bring no durable store for PostgreSQL of their own.

Nothing makes `number` unique, so that a result that is stored twice shows.
"""

import json
import os
from collections.abc import Mapping

import psycopg
from psycopg_pool import ConnectionPool

TABLE = """
    CREATE TABLE results (number bigint NOT NULL, counts jsonb NOT NULL);
    CREATE INDEX ON results (number);
"""
INSERT = "INSERT INTO results (number, counts) VALUES (%s, %s)"

_pool: ConnectionPool | None = None


def make_table() -> None:
    """Make the table."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(TABLE)


def store(number: int, counts: Mapping[str, int]) -> None:
    """Store a result, in a transaction of its own, over a connection that is kept."""
    global _pool  # noqa: PLW0603 - one pool a process, opened by its first task
    if _pool is None:
        _pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=1, open=True)
    with _pool.connection() as connection:
        connection.execute(INSERT, (number, json.dumps(counts)))
